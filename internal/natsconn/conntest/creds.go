package conntest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Operator is an operator with one account besides the system account, as a server in operator mode
// knows them.
type Operator struct {
	// JWT is the operator's.
	JWT string
	// AccountID is the account's public key, AccountJWT its claims.
	AccountID, AccountJWT string
	// SystemID and SystemJWT are the system account's.
	SystemID, SystemJWT string

	account nkeys.KeyPair
}

// NewOperator makes an operator and an account, which has JetStream without limits.
func NewOperator(t testing.TB) *Operator {
	t.Helper()
	operator, operatorID := key(t, nkeys.CreateOperator)
	account, accountID := key(t, nkeys.CreateAccount)
	_, systemID := key(t, nkeys.CreateAccount)
	o := &Operator{account: account, AccountID: accountID, SystemID: systemID}
	claims := jwt.NewAccountClaims(accountID)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	var err error
	if o.AccountJWT, err = claims.Encode(operator); err != nil {
		t.Fatal(err)
	}
	if o.SystemJWT, err = jwt.NewAccountClaims(systemID).Encode(operator); err != nil {
		t.Fatal(err)
	}
	if o.JWT, err = jwt.NewOperatorClaims(operatorID).Encode(operator); err != nil {
		t.Fatal(err)
	}
	return o
}

// Creds makes a credentials file of a new user of the account. Each edit may change its claims.
func (o *Operator) Creds(t testing.TB, edit ...func(*jwt.UserClaims)) string {
	t.Helper()
	user, id := key(t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(id)
	for _, e := range edit {
		e(claims)
	}
	token, err := claims.Encode(o.account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	content, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "user.creds", content)
}

// Revoked are the account's claims when it has revoked the user of a credentials file.
func (o *Operator) Revoked(t testing.TB, creds string) *jwt.AccountClaims {
	t.Helper()
	content, err := os.ReadFile(creds)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseDecoratedJWT(content)
	if err != nil {
		t.Fatal(err)
	}
	user, err := jwt.DecodeUserClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	account, err := jwt.DecodeAccountClaims(o.AccountJWT)
	if err != nil {
		t.Fatal(err)
	}
	account.Revoke(user.Subject)
	return account
}

// NKey makes a file with the seed of a new nkey user.
func NKey(t testing.TB) (path, public string) {
	t.Helper()
	user, id := key(t, nkeys.CreateUser)
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "user.nk", seed), id
}

func key(t testing.TB, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return pair, public
}

func file(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
