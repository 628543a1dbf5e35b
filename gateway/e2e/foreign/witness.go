// A witness by c2sp.org/tlog-witness on Go's own code for signed notes and for proofs of consistency: what our gateway asks has to satisfy it. It knows one
// log and forgets everything when it ends. Prints its address and its key.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const name = "foreign.example/witness"

type state struct {
	sync.Mutex
	log  note.Verifier
	key  ed25519.PrivateKey
	id   []byte
	size int64
	root tlog.Hash
}

func hashOf(text string) (hash tlog.Hash, ok bool) {
	bytes, err := base64.StdEncoding.DecodeString(text)
	ok = err == nil && len(bytes) == len(hash)
	copy(hash[:], bytes)
	return hash, ok
}

func (s *state) answer(body string) (int, string) {
	parts := strings.SplitN(body, "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil || len(parts) != 2 || !strings.HasPrefix(lines[0], "old ") {
		return http.StatusBadRequest, "no request"
	}
	opened, err := note.Open([]byte(parts[1]), note.VerifierList(s.log))
	if err != nil {
		return http.StatusForbidden, err.Error()
	}
	text := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(text[1], 10, 64)
	root, ok := hashOf(text[2])
	if err != nil || !ok || text[0] != s.log.Name() || old > size {
		return http.StatusBadRequest, "no checkpoint"
	}
	s.Lock()
	defer s.Unlock()
	if old != s.size {
		return http.StatusConflict, fmt.Sprint(s.size)
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		hash, ok := hashOf(line)
		if !ok {
			return http.StatusBadRequest, "no hash"
		}
		proof = append(proof, hash)
	}
	if old > 0 && tlog.CheckTree(proof, size, root, old, s.root) != nil || old == 0 && len(proof) > 0 {
		return http.StatusUnprocessableEntity, "the proof does not verify"
	}
	s.size, s.root = size, root
	now := time.Now().Unix()
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", now, opened.Text)
	sig := binary.BigEndian.AppendUint64(append([]byte{}, s.id...), uint64(now))
	sig = append(sig, ed25519.Sign(s.key, []byte(message))...)
	return http.StatusOK, fmt.Sprintf("\u2014 %s %s", name, base64.StdEncoding.EncodeToString(sig))
}

func main() {
	log, err := note.NewVerifier(os.Args[1])
	if err != nil {
		panic(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	typed := append([]byte{4}, public...)
	digest := sha256.Sum256(append([]byte(name+"\n"), typed...))
	s := &state{log: log, key: private, id: digest[:4]}
	http.HandleFunc("/add-checkpoint", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<17))
		status, text := s.answer(string(body))
		if status == http.StatusConflict {
			w.Header().Set("Content-Type", "text/x.tlog.size")
		}
		w.WriteHeader(status)
		fmt.Fprintln(w, text)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s %s+%x+%s\n", listener.Addr(), name, digest[:4], base64.StdEncoding.EncodeToString(typed))
	panic(http.Serve(listener, nil))
}
