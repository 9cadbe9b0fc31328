// #region verify
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::error::Error;

/// The claims of a step's JWT-SVID for this server, by the keys of `<issuer>/jwks.json`.
pub fn step_of(token: &str, keys: &JwkSet, issuer: &str, resource: &str) -> Result<Map<String, Value>, Box<dyn Error>> {
    let kid = decode_header(token)?.kid.ok_or("no kid")?;
    let key = DecodingKey::from_jwk(keys.find(&kid).ok_or("a key that is not known")?)?;

    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[resource]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
    validation.validate_nbf = true; // the default is false
    validation.leeway = 5; // the default is 60 s

    let claims = decode::<Map<String, Value>>(token, &key, &validation)?.claims;
    if claims.contains_key("cnf") {
        return Err("bound to a key whose possession is not checked here".into());
    }
    Ok(claims)
}
// #endregion
