//! A function that says when it is called: it answers with the call's number, after it has published it for
//! those who count how often a call was executed.

use nex_guest::messaging::{publish, Message};
use nex_guest::{Call, Failure, Reply};

nex_guest::handler!(answer);

fn answer(call: Call) -> Result<Reply, Failure> {
    publish(&Message::new("ledger", call.payload.clone()))?;
    Ok(Reply::from(call.payload))
}
