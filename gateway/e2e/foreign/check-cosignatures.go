// Opens a checkpoint with Go's own code for signed notes, by the key of its log and the keys of witnesses (c2sp.org/tlog-cosignature, Ed25519): all of them
// must have signed it. Prints who did, and when they say that it was.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(w.key, append([]byte(head), msg...), sig[8:])
}

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func witnessOf(vkey string) witness {
	parts := strings.SplitN(vkey, "+", 3)
	bytes, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(bytes) != 1+ed25519.PublicKeySize || bytes[0] != 4 {
		fail("%s is no key of a witness", vkey)
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), bytes...))
	hash := binary.BigEndian.Uint32(digest[:4])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		fail("%s has another id", vkey)
	}
	return witness{parts[0], hash, bytes[1:]}
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail("%v", err)
	}
	log, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fail("key: %v", err)
	}
	known := []note.Verifier{log}
	for _, vkey := range os.Args[3:] {
		known = append(known, witnessOf(vkey))
	}
	opened, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		fail("checkpoint: %v", err)
	}
	if len(opened.Sigs) != len(known) {
		fail("only %d of %d signed it", len(opened.Sigs), len(known))
	}
	for _, sig := range opened.Sigs[1:] {
		bytes, _ := base64.StdEncoding.DecodeString(sig.Base64)
		fmt.Printf("%s %d\n", sig.Name, binary.BigEndian.Uint64(bytes[4:]))
	}
}
