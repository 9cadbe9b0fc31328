use crate::Answer;
use serde_json::{Value, json};
use spiffe::{BundleSource, JwtSvid, SpiffeId, WorkloadApiClient, X509Svid};
use std::error::Error;
use x509_parser::parse_x509_certificate;

pub fn x509_of(svid: &X509Svid) -> Value {
    let serial = parse_x509_certificate(svid.leaf().as_bytes())
        .map(|(_, leaf)| leaf.tbs_certificate.serial.to_str_radix(16))
        .unwrap_or_default();
    json!({ "id": svid.spiffe_id().to_string(), "hint": svid.hint(), "serial": serial })
}

/// Every X.509-SVID that there is, each signed by an authority of the bundle: the crate itself leaves that to TLS.
pub async fn x509(client: &WorkloadApiClient) -> Answer {
    let context = client.fetch_x509_context().await?;
    let bundles = client.fetch_x509_bundles().await?;
    for svid in context.svids() {
        let bundle = bundles
            .bundle_for_trust_domain(svid.spiffe_id().trust_domain())?
            .ok_or("no bundle of the trust domain")?;
        let (_, leaf) = parse_x509_certificate(svid.leaf().as_bytes())?;
        let signed = bundle.authorities().iter().any(|authority| {
            parse_x509_certificate(authority.as_bytes())
                .is_ok_and(|(_, ca)| leaf.verify_signature(Some(ca.public_key())).is_ok())
        });
        if !signed {
            return Err(format!("{} is signed by none of the bundle", svid.spiffe_id()).into());
        }
    }
    Ok(context.svids().iter().map(|svid| x509_of(svid)).collect())
}

/// Every JWT-SVID that there is for the audience, each verified against the JWT bundles.
pub async fn jwt(client: &WorkloadApiClient, order: &Value) -> Answer {
    let audience = audience_of(order)?;
    let subject = order["spiffe_id"].as_str().map(SpiffeId::new).transpose()?;
    let bundles = client.fetch_jwt_bundles().await?;
    let mut found = Vec::new();
    for svid in client.fetch_all_jwt_svids(&audience, subject.as_ref()).await? {
        let verified = JwtSvid::parse_and_validate(svid.token(), &bundles, &audience)?;
        found.push(json!({ "id": verified.spiffe_id().to_string(), "hint": svid.hint(), "token": svid.token() }));
    }
    Ok(found.into())
}

pub async fn validate(client: &WorkloadApiClient, order: &Value) -> Answer {
    let audience = audience_of(order)?;
    let token = order["token"].as_str().unwrap_or_default();
    let svid = client.validate_jwt_token(&audience[0], token).await?;
    Ok(json!({ "id": svid.spiffe_id().to_string() }))
}

fn audience_of(order: &Value) -> Result<Vec<String>, Box<dyn Error>> {
    Ok(serde_json::from_value(order["audience"].clone())?)
}
