use crate::{code_of, say, svids::x509_of};
use futures::StreamExt;
use serde_json::{Value, json};
use spiffe::WorkloadApiClient;

/// Says what it is told of: every X.509 context, and the end of the stream.
pub async fn x509(client: WorkloadApiClient) {
    match client.stream_x509_contexts().await {
        Ok(mut stream) => {
            while let Some(update) = stream.next().await {
                match update {
                    Ok(context) => {
                        let svids: Value = context.svids().iter().map(|svid| x509_of(svid)).collect();
                        say(&json!({ "event": "x509", "svids": svids }));
                    }
                    Err(error) => say(&json!({ "event": "x509-error", "code": code_of(&error) })),
                }
            }
        }
        Err(error) => say(&json!({ "event": "x509-error", "code": code_of(&error) })),
    }
}
