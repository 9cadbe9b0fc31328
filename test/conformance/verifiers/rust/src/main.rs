//! Judges tokens with jsonwebtoken, as the guide says or by its defaults; run by jsonwebtoken.test.ts.

mod step;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::env::var;
use std::error::Error;
use std::io::stdin;

type Claims = Map<String, Value>;

fn main() -> Result<(), Box<dyn Error>> {
    let (mode, issuer, resource) = (var("MODE")?, var("ISSUER")?, var("RESOURCE")?);
    let served = ureq::get(format!("{issuer}/jwks.json"))
        .call()?
        .body_mut()
        .read_to_string()?;
    let keys: JwkSet = serde_json::from_str(&served)?;
    println!("ready");
    for line in stdin().lines() {
        let token = line?;
        let judged = match mode.as_str() {
            "guide" => step::step_of(&token, &keys, &issuer, &resource),
            "defaults" => by_defaults(&token, &keys, &issuer, Some(&resource)),
            _ => by_defaults(&token, &keys, &issuer, None),
        };
        match judged {
            Ok(claims) => println!("taken {}", claims["sub"]),
            Err(refused) => println!("refused {refused}"),
        }
    }
    Ok(())
}

fn by_defaults(token: &str, keys: &JwkSet, issuer: &str, resource: Option<&str>) -> Result<Claims, Box<dyn Error>> {
    let kid = decode_header(token)?.kid.ok_or("no kid")?;
    let key = DecodingKey::from_jwk(keys.find(&kid).ok_or("a key that is not known")?)?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[issuer]);
    if let Some(audience) = resource {
        validation.set_audience(&[audience]);
    }
    Ok(decode::<Claims>(token, &key, &validation)?.claims)
}
