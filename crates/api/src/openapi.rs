//! The OpenAPI 3.1 document, made from the operations the router serves.

use std::collections::{BTreeMap, BTreeSet};

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::operation::{Access, Facts, Gives, Operation, SchemaOf, Seats};
use crate::problem::{Kind, PREFIX, ProblemBody};
use crate::router::operations;
use crate::{once, problem};

/// The whole document.
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<&'static str, Map<String, Value>> = BTreeMap::new();
    for Operation { facts, .. } in operations() {
        let described = operation(&facts, &mut generator);
        paths.entry(facts.path).or_default().insert(facts.method.as_str().to_lowercase(), described);
    }
    let _ = generator.subschema_for::<ProblemBody>();
    let mut schemas = generator.take_definitions(true);
    if let Some(kind) = schemas.get_mut("Problem").and_then(|problem| problem.pointer_mut("/properties/type")) {
        kind["enum"] = Kind::ALL.iter().map(|kind| format!("{PREFIX}{}", kind.word())).collect();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parlour control API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Sessions, tickets, people, events and keys of a Parlour server.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The server that gives this document." }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`pk_…`). Each operation names the scope it needs.",
                },
                "seat": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A session token: good for the session, person and role it names.",
                },
            },
        },
    })
}

fn operation(facts: &Facts, generator: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": facts.id,
        "tags": [facts.tag],
        "summary": facts.summary,
        "description": who_may(facts.access),
        "security": security(facts.access),
        "responses": responses(facts, generator),
    });
    let parameters = parameters(facts, generator);
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = facts.body {
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body(generator) } } });
    }
    described
}

fn who_may(access: Access) -> String {
    let seats = |seats| match seats {
        Seats::Everyone => "everyone with a token of the session",
        Seats::Therapists => "therapists of the session",
    };
    match access {
        Access::Public | Access::Anyone => "For anyone.".to_owned(),
        Access::Key(scope) => format!("For API keys with the scope `{}`.", scope.as_str()),
        Access::Own(who) => format!("For {}.", seats(who)),
        Access::Seat(scope, who) => format!("For API keys with the scope `{}`, and {}.", scope.as_str(), seats(who)),
    }
}

fn security(access: Access) -> Value {
    match access {
        Access::Public | Access::Anyone => json!([]),
        Access::Key(scope) => json!([{ "key": [scope.as_str()] }]),
        Access::Own(_) => json!([{ "seat": [] }]),
        Access::Seat(scope, _) => json!([{ "key": [scope.as_str()] }, { "seat": [] }]),
    }
}

fn parameters(facts: &Facts, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters: Vec<Value> = facts
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": path_schema(name) }))
        .collect();
    parameters.extend(facts.query.into_iter().flat_map(|query| of_query(query, generator)));
    let header = |name: &str, required: bool, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": required, "description": description, "schema": schema });
    if facts.method == axum::http::Method::POST {
        let schema = json!({ "type": "string", "pattern": "^[!-~]{1,128}$", "minLength": 1, "maxLength": 128 });
        let words = "The same key and request within 24 hours gets the same answer, carried out once.";
        parameters.push(header(once::HEADER, false, words, schema));
    }
    if facts.conditional {
        let schema = json!({ "type": "string" });
        parameters.push(header("if-match", true, "The ETag of what is changed.", schema));
    }
    parameters
}

fn path_schema(name: &str) -> Value {
    match name {
        "check_in" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        _ => json!({ "type": "string", "minLength": 1, "maxLength": crate::words::MAX_NAME }),
    }
}

/// The properties of a query's schema as parameters.
fn of_query(query: SchemaOf, generator: &mut SchemaGenerator) -> Vec<Value> {
    let schema = query(generator);
    let required: BTreeSet<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let parameter = |(name, property): (&String, &Value)| {
        let mut schema = property.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        without_null(&mut schema);
        let mut parameter =
            json!({ "name": name, "in": "query", "required": required.contains(name.as_str()), "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    properties.map(parameter).collect()
}

/// A parameter is there or not; it is never `null`.
fn without_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.remove("default");
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut any)) = schema.remove("anyOf") {
        any.retain(|one| one["type"] != "null");
        if let (1, Some(Value::Object(only))) = (any.len(), any.pop()) {
            schema.extend(only);
        }
    }
}

fn responses(facts: &Facts, generator: &mut SchemaGenerator) -> Value {
    let mut responses = BTreeMap::new();
    for gives in &facts.gives {
        responses.insert(gives.status.to_string(), success(gives, generator));
    }
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in facts.all_problems() {
        by_status.entry(kind.status()).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        responses.insert(status.to_string(), refusal(&kinds));
    }
    json!(responses)
}

fn success(gives: &Gives, generator: &mut SchemaGenerator) -> Value {
    let mut response = json!({ "description": if gives.status == 204 { "It is so." } else { "As asked." } });
    if !gives.media_type.is_empty() {
        let content = match gives.schema {
            Some(schema) => json!({ "schema": schema(generator) }),
            None => json!({ "schema": { "type": "string" } }),
        };
        response["content"] = json!({ gives.media_type: content });
    }
    if gives.etag {
        response["headers"] = json!({ "etag": { "required": true, "schema": { "type": "string" } } });
    }
    response
}

fn refusal(kinds: &[Kind]) -> Value {
    let words: Vec<_> = kinds.iter().map(|kind| format!("- `{}`: {}", kind.word(), kind.title())).collect();
    let mut response = json!({
        "description": words.join("\n"),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    if kinds.contains(&problem::Kind::TooManyRequests) {
        let seconds = json!({ "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 1 } });
        response["headers"] = json!({ "retry-after": seconds });
    }
    response
}
