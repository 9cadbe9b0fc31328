//! A workload that uses the crate `spiffe`. It is told what to do on standard input, one JSON object a line, and answers in kind;
//! what the broker tells it meanwhile it says as lines with an "event".

mod keep;
mod svids;
mod watch;

use serde_json::{Value, json};
use spiffe::{WorkloadApiClient, WorkloadApiError, X509Source};
use std::error::Error;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

type Answer = Result<Value, Box<dyn Error>>;

pub fn say(line: &Value) {
    println!("{line}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // The socket is found as the standard says, by SPIFFE_ENDPOINT_SOCKET.
    let client = WorkloadApiClient::connect_env().await?;
    let mut kept = None;
    say(&json!({ "event": "ready" }));
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let order: Value = serde_json::from_str(&line)?;
        let id = &order["id"];
        match follow(&client, &mut kept, &order).await {
            Ok(result) => say(&json!({ "id": id, "result": result })),
            Err(error) => say(&json!({ "id": id, "error": error.to_string(), "code": code_of(&*error) })),
        }
    }
    Ok(())
}

async fn follow(client: &WorkloadApiClient, kept: &mut Option<X509Source>, order: &Value) -> Answer {
    match order["command"].as_str() {
        Some("x509") => svids::x509(client).await,
        Some("jwt") => svids::jwt(client, order).await,
        Some("validate") => svids::validate(client, order).await,
        Some("watch") => {
            tokio::spawn(watch::x509(client.clone()));
            Ok(json!("watching"))
        }
        Some("keep") => {
            let source = keep::source_of(order["hint"].as_str().unwrap_or_default()).await?;
            let own = svids::x509_of(&*source.svid()?);
            *kept = Some(source);
            Ok(own)
        }
        Some("kept") => match kept {
            Some(source) => Ok(svids::x509_of(&*source.svid()?)),
            None => Err("nothing is kept".into()),
        },
        _ => Err(format!("no such command: {order}").into()),
    }
}

/// The name of what was refused, as the crate names it.
fn code_of(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<WorkloadApiError>() {
        Some(refused) if refused.is_invalid_argument() => "InvalidArgument".into(),
        Some(WorkloadApiError::PermissionDenied(_) | WorkloadApiError::NoIdentityIssued) => "PermissionDenied".into(),
        _ => String::new(),
    }
}
