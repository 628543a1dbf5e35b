// Checks an export with Go's own code for signed notes and transparency logs: the signature of its checkpoint, the root over its entries, and the proofs that
// its lines have. Prints what it has seen; ends with 1 and a reason where something is wrong.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type line struct {
	Index int64  `json:"index"`
	Leaf  string `json:"leaf"`
	Proof string `json:"proof"`
}

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func read(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		fail("%v", err)
	}
	return string(text)
}

func hashOf(text string) tlog.Hash {
	bytes, err := base64.StdEncoding.DecodeString(text)
	var hash tlog.Hash
	if err != nil || len(bytes) != len(hash) {
		fail("no hash: %q", text)
	}
	copy(hash[:], bytes)
	return hash
}

// The lines between the index and the empty line before the checkpoint (C2SP tlog-proof).
func pathOf(proof string) tlog.RecordProof {
	head := strings.SplitN(proof, "\n\n", 2)[0]
	var path tlog.RecordProof
	for _, text := range strings.Split(head, "\n")[2:] {
		path = append(path, hashOf(text))
	}
	return path
}

func main() {
	dir := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(read(dir, "log.vkey")))
	if err != nil {
		fail("key: %v", err)
	}
	opened, err := note.Open([]byte(read(dir, "checkpoint")), note.VerifierList(verifier))
	if err != nil {
		fail("checkpoint: %v", err)
	}
	signed := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(signed[1], 10, 64)
	if err != nil {
		fail("size: %v", err)
	}
	root := hashOf(signed[2])
	file, err := os.Open(filepath.Join(dir, "entries.ndjson"))
	if err != nil {
		fail("%v", err)
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	entries, proofs := int64(0), 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var entry line
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			fail("line %d: %v", entries, err)
		}
		if entry.Proof != "" {
			if err := tlog.CheckRecord(pathOf(entry.Proof), size, root, entry.Index, tlog.RecordHash([]byte(entry.Leaf))); err != nil {
				fail("entry %d: %v", entry.Index, err)
			}
			proofs++
		} else {
			if entry.Index != entries {
				fail("entry %d is not there", entries)
			}
			added, err := tlog.StoredHashes(entry.Index, []byte(entry.Leaf), reader)
			if err != nil {
				fail("%v", err)
			}
			stored = append(stored, added...)
		}
		entries++
	}
	if proofs == 0 {
		own, err := tlog.TreeHash(size, reader)
		if err != nil || entries != size || own != root {
			fail("the entries do not add up to the root that is signed")
		}
	}
	fmt.Printf("%s: %d entries, %d proofs\n", opened.Sigs[0].Name, entries, proofs)
}
