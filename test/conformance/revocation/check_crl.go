// Says of a certificate, its CA and a CRL, each a PEM file, what Go makes of them: "revoked <reason>" or "good".
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func read(path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

func main() {
	leaf, err := x509.ParseCertificate(read(os.Args[1]))
	if err != nil {
		panic(err)
	}
	ca, err := x509.ParseCertificate(read(os.Args[2]))
	if err != nil {
		panic(err)
	}
	list, err := x509.ParseRevocationList(read(os.Args[3]))
	if err != nil {
		panic(err)
	}
	if err := list.CheckSignatureFrom(ca); err != nil {
		panic(err)
	}
	if list.Number == nil || list.NextUpdate.IsZero() || string(list.RawIssuer) != string(leaf.RawIssuer) {
		panic("a CRL that is not whole")
	}
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
			fmt.Printf("revoked %d\n", entry.ReasonCode)
			return
		}
	}
	fmt.Println("good")
}
