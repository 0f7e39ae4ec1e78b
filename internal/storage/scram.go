package storage

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/wire"
)

// The bounds Kafka sets on the iterations of a SCRAM credential.
const (
	minSCRAMIterations = 4096
	maxSCRAMIterations = 16384
)

// scramMechanism is one of the two mechanisms; number is the record's.
type scramMechanism struct {
	number int8
	hash   func() hash.Hash
}

var scramMechanisms = map[string]scramMechanism{
	"SCRAM-SHA-256": {1, sha256.New},
	"SCRAM-SHA-512": {2, sha512.New},
}

// parseSCRAM reads one --add-scram argument, such as
// SCRAM-SHA-256=[name=alice,password=secret] or
// SCRAM-SHA-512=[name=alice,iterations=8192,salt="N3E=",saltedpassword="YCE="].
func parseSCRAM(argument string, random io.Reader) (*wire.UserScramCredentialRecord, error) {
	name, list, ok := strings.Cut(strings.TrimSpace(argument), "=")
	mechanism, known := scramMechanisms[name]
	if !ok || !known {
		return nil, fmt.Errorf("--add-scram %q: must begin with SCRAM-SHA-256= or SCRAM-SHA-512=", argument)
	}
	list, opened := strings.CutPrefix(list, "[")
	list, closed := strings.CutSuffix(list, "]")
	if !opened || !closed {
		return nil, errors.New("--add-scram: the credential must stand in [ ]")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(list, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("--add-scram: no equals sign in %q", key)
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		parts[key] = value
	}
	for _, key := range sortedKeys(parts) {
		switch key {
		case "name", "salt", "iterations", "password", "saltedpassword":
		default:
			return nil, fmt.Errorf("--add-scram: %q is not known", key)
		}
	}
	return mechanism.credential(parts, random)
}

func (m scramMechanism) credential(parts map[string]string, random io.Reader) (*wire.UserScramCredentialRecord, error) {
	if parts["name"] == "" {
		return nil, errors.New("--add-scram: name is missing")
	}
	iterations := minSCRAMIterations
	if text, ok := parts["iterations"]; ok {
		var err error
		if iterations, err = strconv.Atoi(text); err != nil || iterations < minSCRAMIterations || iterations > maxSCRAMIterations {
			return nil, fmt.Errorf("--add-scram: iterations must be from %d to %d", minSCRAMIterations, maxSCRAMIterations)
		}
	}
	salt, err := scramSalt(parts, random)
	if err != nil {
		return nil, err
	}
	salted, err := m.saltedPassword(parts, salt, iterations)
	if err != nil {
		return nil, err
	}
	r := &wire.UserScramCredentialRecord{}
	r.Reset()
	r.Name, r.Mechanism, r.Salt, r.Iterations = parts["name"], m.number, salt, int32(iterations)
	stored := m.hash()
	stored.Write(m.hmac(salted, "Client Key"))
	r.StoredKey, r.ServerKey = stored.Sum(nil), m.hmac(salted, "Server Key")
	return r, nil
}

func scramSalt(parts map[string]string, random io.Reader) ([]byte, error) {
	if text, ok := parts["salt"]; ok {
		salt, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("--add-scram: salt is not base64: %w", err)
		}
		return salt, nil
	}
	salt := make([]byte, 24)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("random bytes for a salt: %w", err)
	}
	return salt, nil
}

func (m scramMechanism) saltedPassword(parts map[string]string, salt []byte, iterations int) ([]byte, error) {
	if password, ok := parts["password"]; ok {
		return pbkdf2.Key(m.hash, password, salt, iterations, m.hash().Size())
	}
	text, ok := parts["saltedpassword"]
	if !ok {
		return nil, errors.New("--add-scram: one of password and saltedpassword is needed")
	}
	if _, ok := parts["salt"]; !ok {
		return nil, errors.New("--add-scram: saltedpassword needs its salt")
	}
	salted, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("--add-scram: saltedpassword is not base64: %w", err)
	}
	return salted, nil
}

func (m scramMechanism) hmac(key []byte, text string) []byte {
	h := hmac.New(m.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
