// Checks what a ledger gave out by the libraries that are in use for transparency logs. Reads one JSON object from standard
// input, writes one line for each check that holds, and ends with 1 at the first that does not.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	fnote "github.com/transparency-dev/formats/note"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	Origin      string `json:"origin"`
	Key         string `json:"key"`
	Witness     string `json:"witness"`
	Receipt     string `json:"receipt"`
	Earlier     string `json:"earlier"`
	Consistency string `json:"consistency"`
}

func main() {
	var in input
	must(json.NewDecoder(os.Stdin).Decode(&in))
	verifier, err := note.NewVerifier(in.Key)
	must(err)
	receipt(in, verifier)
	if in.Consistency != "" {
		consistency(in, verifier)
	}
	if in.Witness != "" {
		witness(in)
	}
}

func receipt(in input, verifier note.Verifier) {
	head, checkpoint, found := strings.Cut(in.Receipt, "\n\n")
	expect(found, "a receipt with a checkpoint")
	lines := strings.Split(head, "\n")
	expect(lines[0] == "c2sp.org/tlog-proof@v1", "the header")
	entry := decode(strings.TrimPrefix(lines[1], "extra "))
	index, err := strconv.ParseUint(strings.TrimPrefix(lines[2], "index "), 10, 63)
	must(err)
	hashes := hashesIn(lines[3:])

	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	must(err)
	expect(len(opened.Sigs) == 1 && opened.Sigs[0].Name == in.Origin, "the log's own signature")
	fmt.Println("x/mod/sumdb/note")

	signed := parsed(in, checkpoint, verifier)
	fmt.Println("transparency-dev/formats/log")

	leaf := rfc6962.DefaultHasher.HashLeaf(entry)
	must(proof.VerifyInclusion(rfc6962.DefaultHasher, index, signed.Size, leaf, hashes, signed.Hash))
	other := rfc6962.DefaultHasher.HashLeaf(append(entry, ' '))
	expect(proof.VerifyInclusion(rfc6962.DefaultHasher, index, signed.Size, other, hashes, signed.Hash) != nil, "no other entry")
	fmt.Println("transparency-dev/merkle inclusion")

	must(tlog.CheckRecord(recordProof(hashes), int64(signed.Size), treeHash(signed.Hash), int64(index), tlog.RecordHash(entry)))
	fmt.Println("x/mod/sumdb/tlog record")
}

func consistency(in input, verifier note.Verifier) {
	head, checkpoint, _ := strings.Cut(in.Consistency, "\n\n")
	lines := strings.Split(head, "\n")
	hashes := hashesIn(lines[1:])
	earlier, later := parsed(in, in.Earlier, verifier), parsed(in, checkpoint, verifier)
	// From a tree without leaves every proof holds, and says nothing.
	expect(earlier.Size > 0 && earlier.Size < later.Size, "an earlier tree with leaves")
	must(proof.VerifyConsistency(rfc6962.DefaultHasher, earlier.Size, later.Size, hashes, earlier.Hash, later.Hash))
	fmt.Println("transparency-dev/merkle consistency")
	must(tlog.CheckTree(recordProof(hashes), int64(later.Size), treeHash(later.Hash), int64(earlier.Size), treeHash(earlier.Hash)))
	fmt.Println("x/mod/sumdb/tlog tree")
}

func witness(in input) {
	_, checkpoint, _ := strings.Cut(in.Receipt, "\n\n")
	verifier, err := fnote.NewVerifierForCosignatureV1(in.Witness)
	must(err)
	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	must(err)
	expect(len(opened.Sigs) == 1 && opened.Sigs[0].Name == verifier.Name(), "the witness's signature")
	fmt.Println("transparency-dev/formats/note cosignature")
}

func parsed(in input, checkpoint string, verifier note.Verifier) *log.Checkpoint {
	signed, _, _, err := log.ParseCheckpoint([]byte(checkpoint), in.Origin, verifier)
	must(err)
	return signed
}

func hashesIn(lines []string) [][]byte {
	hashes := [][]byte{}
	for _, line := range lines {
		hashes = append(hashes, decode(line))
	}
	return hashes
}

func recordProof(hashes [][]byte) []tlog.Hash {
	all := []tlog.Hash{}
	for _, hash := range hashes {
		all = append(all, treeHash(hash))
	}
	return all
}

func treeHash(hash []byte) (all tlog.Hash) {
	copy(all[:], hash)
	expect(bytes.Equal(all[:], hash), "32 bytes")
	return all
}

func decode(text string) []byte {
	decoded, err := base64.StdEncoding.DecodeString(text)
	must(err)
	return decoded
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func expect(holds bool, what string) {
	if !holds {
		must(fmt.Errorf("expected %s", what))
	}
}
