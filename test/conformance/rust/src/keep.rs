use spiffe::x509_source::SvidPicker;
use spiffe::{X509Source, X509SourceBuilder, X509SourceError, X509Svid};
use std::sync::Arc;
use std::time::Duration;

// #region source
/// The step of a hint, `<run_id>/<step>/<attempt>`, and none of another, which may do other things.
#[derive(Debug)]
struct Step(String);

impl SvidPicker for Step {
    fn pick_svid(&self, svids: &[Arc<X509Svid>]) -> Option<usize> {
        svids.iter().position(|svid| svid.hint() == Some(&self.0))
    }
}

/// Waits until there is an identity, at most as long as it is told, and is then always that step.
pub async fn source_of(hint: &str) -> Result<X509Source, X509SourceError> {
    X509SourceBuilder::new()
        .picker(Step(hint.to_owned()))
        // Without it the source waits for ever.
        .initial_sync_timeout(Duration::from_secs(30))
        .build()
        .await
}
// #endregion
