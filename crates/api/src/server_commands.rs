//! What integrators' servers ask in LiveKit's words: on record like the commands of this API, and carried out once.

use parlour_signal::{AskedCommand, CannotRecord, CommandRecord, OpenCommand, OpenRequest, Pending, RequestTurn};
use parlour_store::{StoreError, Subject};
use serde::{Deserialize, Serialize};

use crate::commands;
use crate::once::{self, Once, Turn};
use crate::problem::Kind;
use crate::recorder::{Asking, Recorder};
use crate::state::ApiState;

/// The body of an answer, as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept(Vec<u8>);

struct Command {
    recorder: Recorder,
    session: parlour_model::SessionId,
    /// What happens until this is dropped was asked by this key.
    _asking: Asking,
}

struct Request {
    api: ApiState,
    once: Once,
}

impl CommandRecord for ApiState {
    fn append<'a>(&'a self, asked: AskedCommand<'a>) -> Pending<'a, Result<Box<dyn OpenCommand>, CannotRecord>> {
        Box::pin(async move {
            let AskedCommand { key, session, word, whom } = asked;
            let actor = Subject::signing_key(key);
            let entry = commands::asking(self, session, &actor, whom, word);
            let append = self.ledger.append(move |change| -> Result<_, StoreError> { change.audit(&entry).map(drop) });
            append.await.map_err(|_| CannotRecord)?;
            let asking = self.recorder.actors().asking(session, actor);
            let open = Command { recorder: self.recorder.clone(), session: session.clone(), _asking: asking };
            Ok(Box::new(open) as Box<dyn OpenCommand>)
        })
    }

    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: &'a str,
        request: &'a [u8],
    ) -> Pending<'a, Result<RequestTurn, CannotRecord>> {
        Box::pin(async move {
            match once::claim::<Kept>(self, format!("signing {key}"), id, request.to_vec()).await {
                Ok(Turn::First(once)) => Ok(RequestTurn::First(Box::new(Request { api: self.clone(), once }))),
                Ok(Turn::Again(kept)) => Ok(RequestTurn::Again(kept.0)),
                Err(problem) => match problem.kind() {
                    Kind::IdempotencyInFlight => Ok(RequestTurn::InFlight),
                    Kind::IdempotencyMismatch => Ok(RequestTurn::OtherRequest),
                    _ => Err(CannotRecord),
                },
            }
        })
    }
}

impl OpenCommand for Command {
    fn settle(self: Box<Self>) -> Pending<'static, Result<(), CannotRecord>> {
        Box::pin(async move { self.recorder.settle(&self.session).await.map_err(|_| CannotRecord) })
    }
}

impl OpenRequest for Request {
    fn close(self: Box<Self>, answer: Option<Vec<u8>>) -> Pending<'static, ()> {
        Box::pin(async move { self.once.close(&self.api, answer.map(Kept)).await })
    }
}
