import java.io.FileInputStream;
import java.io.InputStream;
import java.security.cert.CRL;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Set;

/** Says of a certificate, its CA and a CRL, each a PEM file, what PKIX validation makes of them: "good" or its reason. */
public class CheckCrl {
  public static void main(String[] paths) throws Exception {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    X509Certificate leaf = certificate(factory, paths[0]);
    PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(certificate(factory, paths[1]), null)));
    parameters.setRevocationEnabled(true);
    try (InputStream input = new FileInputStream(paths[2])) {
      CRL crl = factory.generateCRL(input);
      parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(List.of(crl))));
    }
    try {
      CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(List.of(leaf)), parameters);
      System.out.println("good");
    } catch (CertPathValidatorException refused) {
      System.out.println(refused.getReason());
    }
  }

  private static X509Certificate certificate(CertificateFactory factory, String path) throws Exception {
    try (InputStream input = new FileInputStream(path)) {
      return (X509Certificate) factory.generateCertificate(input);
    }
  }
}
