// Renders the OpenAPI document. Everything is put in as text, never as markup.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
};
const code = (text) => make("code", {}, text);

/** A schema as a reader wants it: references by name, the rest in short. */
const words = (schema) => {
  if (!schema || schema === true) return "anything";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return either.map(words).join(" or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${words(schema.items)}`;
  const bounds = [];
  if (schema.minimum !== undefined) bounds.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) bounds.push(`to ${schema.maximum}`);
  if (schema.minLength !== undefined) bounds.push(`at least ${schema.minLength} long`);
  if (schema.maxLength !== undefined) bounds.push(`at most ${schema.maxLength} long`);
  const type = [schema.type ?? "object"].flat().join(" or ");
  return bounds.length > 0 ? `${type} (${bounds.join(", ")})` : type;
};

const fields = (schema) => {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return make("p", {}, words(schema));
  const required = new Set(schema.required ?? []);
  const row = ([name, property]) =>
    make(
      "tr",
      {},
      make("td", {}, code(name), required.has(name) ? "" : make("span", { class: "quiet" }, " optional")),
      make("td", {}, words(property)),
      make("td", {}, property.description ?? ""),
    );
  return make("table", {}, make("tbody", {}, ...properties.map(row)));
};

const shape = (document_, schema) => {
  const name = schema?.$ref?.split("/").pop();
  const whole = name ? document_.components.schemas[name] : schema;
  const details = make("details", {}, make("summary", {}, name ?? words(schema)));
  details.append(fields(whole ?? {}));
  return details;
};

const operation = (document_, path, method, described) => {
  const section = make("section", { class: "operation", id: described.operationId });
  section.append(
    make("h3", {}, make("span", { class: "method" }, method.toUpperCase()), code(path)),
    make("p", {}, described.summary, " ", make("span", { class: "quiet" }, described.description ?? "")),
  );
  for (const parameter of described.parameters ?? []) {
    const need = parameter.required ? "" : ", optional";
    section.append(
      make("p", {}, code(parameter.name), make("span", { class: "quiet" }, ` in ${parameter.in}${need}: `),
        `${words(parameter.schema)}. ${parameter.description ?? ""}`),
    );
  }
  const body = described.requestBody?.content["application/json"]?.schema;
  if (body) section.append(make("p", {}, "Takes"), shape(document_, body));
  for (const [status, response] of Object.entries(described.responses)) {
    if (Number(status) >= 400) continue;
    const schema = Object.values(response.content ?? {})[0]?.schema;
    section.append(make("p", {}, `Gives ${status}`), schema ? shape(document_, schema) : "");
  }
  const refusals = make("details", {}, make("summary", {}, "Problems"));
  for (const [status, response] of Object.entries(described.responses)) {
    if (Number(status) < 400) continue;
    refusals.append(make("pre", {}, `${status}\n${response.description.replaceAll("`", "")}`));
  }
  section.append(refusals);
  return section;
};

const show = (document_) => {
  const tags = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const tag = described.tags[0];
      tags.set(tag, [...(tags.get(tag) ?? []), [path, method, described]]);
    }
  }
  const contents = document.getElementById("contents");
  const reference = document.getElementById("reference");
  reference.replaceChildren();
  for (const [tag, operations] of [...tags].sort(([a], [b]) => a.localeCompare(b))) {
    const link = ([, , described]) =>
      make("li", {}, make("a", { href: `#${described.operationId}` }, described.operationId));
    contents.append(make("strong", {}, tag), make("ul", {}, ...operations.map(link)));
    reference.append(make("h2", {}, tag), ...operations.map((one) => operation(document_, ...one)));
  }
};

const answer = await fetch("/v1/openapi.json");
show(await answer.json());
