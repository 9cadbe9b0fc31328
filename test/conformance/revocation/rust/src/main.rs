//! Says of a certificate, its CA and a CRL, each a PEM file, what rustls-webpki makes of them: "good" or its reason.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::env::args;
use std::error::Error;
use webpki::{
    ALL_VERIFICATION_ALGS, BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage,
    RevocationOptionsBuilder, anchor_from_trusted_cert,
};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = args().skip(1).collect();
    let leaf = CertificateDer::from_pem_file(&paths[0])?;
    let ca = CertificateDer::from_pem_file(&paths[1])?;
    let list = CertificateRevocationListDer::from_pem_file(&paths[2])?;
    let crl = CertRevocationList::from(BorrowedCertRevocationList::from_der(&list)?);
    let crls = [&crl];
    let mut revocation = RevocationOptionsBuilder::new(&crls).map_err(|_| "no CRL")?;
    if paths.get(3).is_some_and(|word| word == "enforce") {
        revocation = revocation.with_expiration_policy(ExpirationPolicy::Enforce);
    }
    let anchors = [anchor_from_trusted_cert(&ca)?];
    let certificate = EndEntityCert::try_from(&leaf)?;
    let usage = KeyUsage::client_auth();
    let now = UnixTime::now();
    let revocation = Some(revocation.build());
    let judged = certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &[], now, usage, revocation, None);
    match judged {
        Ok(_) => println!("good"),
        Err(refused) => println!("{refused:?}"),
    }
    Ok(())
}
