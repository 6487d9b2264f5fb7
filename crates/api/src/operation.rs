//! One operation of the API: its route, who may use it and what it takes and gives, written down once. The router, the
//! gate in front of each handler and the OpenAPI document are all made from it, so that they cannot differ.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::problem::Kind;
use crate::scope::Scope;
use crate::state::ApiState;

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone, uncounted: what is the same for all.
    Public,
    /// A stranger too, counted by address.
    Anyone,
    /// An API key with this scope.
    Key(Scope),
    /// Or the bearer of a session token, for the session that the path names.
    Seat(Scope, Seats),
    /// Only such a bearer: what one does oneself.
    Own(Seats),
}

/// Which bearers of session tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seats {
    /// Everyone; the session's rules decide.
    Everyone,
    /// Therapists.
    Therapists,
}

pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What an operation gives when it does what it was asked.
#[derive(Clone)]
pub(crate) struct Gives {
    pub(crate) status: u16,
    pub(crate) media_type: &'static str,
    pub(crate) schema: Option<SchemaOf>,
    /// Carries the version of what is in it.
    pub(crate) etag: bool,
}

/// What is known of an operation.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) access: Access,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) body: Option<SchemaOf>,
    pub(crate) gives: Vec<Gives>,
    /// Needs `If-Match`.
    pub(crate) conditional: bool,
    /// Beyond those that follow from the rest.
    pub(crate) problems: Vec<Kind>,
}

/// An operation with its handler.
pub(crate) struct Operation {
    pub(crate) facts: Facts,
    pub(crate) handler: MethodRouter<ApiState>,
}

impl Operation {
    fn new<H, T>(method: Method, path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Self {
            facts: Facts {
                method,
                path,
                id,
                tag: path.split('/').nth(2).unwrap_or_default(),
                summary,
                access: Access::Public,
                query: None,
                body: None,
                gives: Vec::new(),
                conditional: false,
                problems: Vec::new(),
            },
            handler: on(filter, handler),
        }
    }

    /// The group it is listed under.
    pub(crate) fn tag(mut self, tag: &'static str) -> Self {
        self.facts.tag = tag;
        self
    }

    /// For strangers too, counted by address.
    pub(crate) fn anyone(mut self) -> Self {
        self.facts.access = Access::Anyone;
        self
    }

    /// For API keys with this scope only.
    pub(crate) fn key(mut self, scope: Scope) -> Self {
        self.facts.access = Access::Key(scope);
        self
    }

    /// For API keys with this scope, and for these bearers of session tokens.
    pub(crate) fn seat(mut self, scope: Scope, seats: Seats) -> Self {
        self.facts.access = Access::Seat(scope, seats);
        self
    }

    /// For these bearers of session tokens only.
    pub(crate) fn own(mut self, seats: Seats) -> Self {
        self.facts.access = Access::Own(seats);
        self
    }

    /// Takes this query.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.facts.query = Some(T::json_schema);
        self
    }

    /// Takes this body.
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.facts.body = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// Gives this as JSON.
    pub(crate) fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        let schema: SchemaOf = |generator| generator.subschema_for::<T>();
        self.facts.gives.push(Gives { status, media_type: "application/json", schema: Some(schema), etag: false });
        self
    }

    /// Gives 204 and nothing else.
    pub(crate) fn gives_nothing(mut self) -> Self {
        self.facts.gives.push(Gives { status: 204, media_type: "", schema: None, etag: false });
        self
    }

    /// Gives some JSON.
    pub(crate) fn gives_json(mut self) -> Self {
        let schema: SchemaOf = |_| schemars::json_schema!({ "type": "object" });
        self.facts.gives.push(Gives { status: 200, media_type: "application/json", schema: Some(schema), etag: false });
        self
    }

    /// Gives something that is not JSON.
    pub(crate) fn gives_text(mut self, media_type: &'static str) -> Self {
        self.facts.gives.push(Gives { status: 200, media_type, schema: None, etag: false });
        self
    }

    /// What it gives has an ETag.
    pub(crate) fn versioned(mut self) -> Self {
        self.facts.gives.iter_mut().for_each(|gives| gives.etag = true);
        self
    }

    /// Needs the ETag of what it changes.
    pub(crate) fn conditional(mut self) -> Self {
        self.facts.conditional = true;
        self
    }

    /// May refuse for these reasons too.
    pub(crate) fn refuses(mut self, problems: &[Kind]) -> Self {
        self.facts.problems.extend_from_slice(problems);
        self
    }
}

macro_rules! methods {
    ($($name:ident $method:ident,)*) => {
        $(
            /// An operation of this method.
            pub(crate) fn $name<H, T>(path: &'static str, id: &'static str, summary: &'static str, handler: H) -> Operation
            where
                H: Handler<T, ApiState>,
                T: 'static,
            {
                Operation::new(Method::$method, path, id, summary, handler)
            }
        )*
    };
}

methods! {
    get GET,
    post POST,
    put PUT,
    patch PATCH,
    delete DELETE,
}

impl Facts {
    /// Every problem it may answer with: its own, and those that follow from what it is.
    pub(crate) fn all_problems(&self) -> Vec<Kind> {
        let mut all = self.problems.clone();
        all.extend([Kind::TooManyRequests, Kind::Internal, Kind::StoreUnavailable, Kind::Busy, Kind::Draining]);
        all.push(Kind::InvalidParameter);
        match self.access {
            Access::Public | Access::Anyone => {}
            Access::Key(_) => all.extend([Kind::Unauthenticated, Kind::MissingScope, Kind::NotAllowed]),
            Access::Own(_) => all.extend([Kind::Unauthenticated, Kind::NotAllowed, Kind::OtherSession]),
            Access::Seat(..) => {
                all.extend([Kind::Unauthenticated, Kind::MissingScope, Kind::NotAllowed, Kind::OtherSession]);
            }
        }
        if self.body.is_some() {
            all.extend([Kind::InvalidJson, Kind::InvalidUtf8, Kind::UnknownField, Kind::MissingField]);
            all.extend([Kind::InvalidValue, Kind::OutOfRange, Kind::BodyTooLarge, Kind::UnsupportedMediaType]);
            all.extend([Kind::RequestTimeout]);
        } else {
            all.extend([Kind::UnexpectedBody, Kind::BodyTooLarge, Kind::RequestTimeout]);
        }
        if self.query.is_some() {
            all.extend([Kind::InvalidCursor, Kind::OutOfRange]);
        }
        if self.method == Method::POST {
            all.extend([Kind::InvalidIdempotencyKey, Kind::IdempotencyMismatch, Kind::IdempotencyInFlight]);
        }
        if self.conditional {
            all.extend([Kind::PreconditionRequired, Kind::PreconditionFailed]);
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}
