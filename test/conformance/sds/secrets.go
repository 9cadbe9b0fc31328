package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	transport "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
)

// shown says what is in secrets, after what Envoy checks: their form, and that key and certificate belong together.
func shown(resources []*anypb.Any) ([]map[string]any, error) {
	secrets := []map[string]any{}
	for _, resource := range resources {
		one := &transport.Secret{}
		if err := resource.UnmarshalTo(one); err != nil {
			return nil, err
		}
		if err := one.ValidateAll(); err != nil {
			return nil, err
		}
		what, err := contentOf(one)
		if err != nil {
			return nil, err
		}
		what["name"] = one.Name
		secrets = append(secrets, what)
	}
	return secrets, nil
}

func contentOf(one *transport.Secret) (map[string]any, error) {
	if certificate := one.GetTlsCertificate(); certificate != nil {
		pair, err := tls.X509KeyPair(bytesOf(certificate.CertificateChain), bytesOf(certificate.PrivateKey))
		if err != nil {
			return nil, err
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			return nil, err
		}
		return map[string]any{"id": leaf.URIs[0].String(), "serial": leaf.SerialNumber.Text(16)}, nil
	}
	context := one.GetValidationContext()
	if context == nil {
		return nil, errors.New("a secret of another kind")
	}
	if custom := context.CustomValidatorConfig; custom != nil {
		config := &transport.SPIFFECertValidatorConfig{}
		if err := custom.TypedConfig.UnmarshalTo(config); err != nil {
			return nil, err
		}
		if err := config.ValidateAll(); err != nil {
			return nil, err
		}
		domains := map[string]int{}
		for _, domain := range config.TrustDomains {
			domains[domain.Name] = len(blocks(bytesOf(domain.TrustBundle), "CERTIFICATE"))
		}
		return map[string]any{"validator": custom.Name, "trust_domains": domains}, nil
	}
	revoked := []string{}
	for _, block := range blocks(bytesOf(context.Crl), "X509 CRL") {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, err
		}
		for _, entry := range list.RevokedCertificateEntries {
			revoked = append(revoked, entry.SerialNumber.Text(16))
		}
	}
	return map[string]any{
		"roots":     len(blocks(bytesOf(context.TrustedCa), "CERTIFICATE")),
		"crls":      len(blocks(bytesOf(context.Crl), "X509 CRL")),
		"leaf_only": context.OnlyVerifyLeafCertCrl,
		"revoked":   revoked,
	}, nil
}

// namesIn says which secrets a listener asks for, after what Envoy checks of its configuration.
func namesIn(config []byte) ([]string, error) {
	resource := &anypb.Any{}
	if err := protojson.Unmarshal(config, resource); err != nil {
		return nil, err
	}
	downstream := &transport.DownstreamTlsContext{}
	if err := resource.UnmarshalTo(downstream); err != nil {
		return nil, err
	}
	if err := downstream.ValidateAll(); err != nil {
		return nil, err
	}
	names := []string{}
	for _, one := range downstream.CommonTlsContext.TlsCertificateSdsSecretConfigs {
		names = append(names, one.Name)
	}
	return append(names, downstream.CommonTlsContext.GetCombinedValidationContext().ValidationContextSdsSecretConfig.Name), nil
}

func bytesOf(source *core.DataSource) []byte {
	return source.GetInlineBytes()
}

func blocks(text []byte, kind string) []*pem.Block {
	found := []*pem.Block{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == kind {
			found = append(found, block)
		}
	}
	return found
}
