// Judges tokens with Vault's auth method for JWTs, set as the guide says or by its defaults; run by vault.test.ts. Its arguments are the
// files of the configuration and of the role.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	"github.com/hashicorp/vault/sdk/logical"
)

type vault struct {
	method  logical.Backend
	storage logical.Storage
}

func main() {
	ctx := context.Background()
	storage := &logical.InmemStorage{}
	system := &logical.StaticSystemView{DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: time.Hour}
	method, err := jwtauth.Factory(ctx, &logical.BackendConfig{StorageView: storage, System: system})
	exitOn(err)
	v := vault{method, storage}
	_, err = v.write(ctx, logical.UpdateOperation, "config", settings(os.Args[1]))
	exitOn(err)
	role := settings(os.Args[2])
	if os.Getenv("MODE") != "guide" {
		delete(role, "clock_skew_leeway")
	}
	if os.Getenv("MODE") == "no audience" {
		delete(role, "bound_audiences")
	}
	_, err = v.write(ctx, logical.CreateOperation, "role/researcher", role)
	exitOn(err)
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer, err := v.write(ctx, logical.UpdateOperation, "login", map[string]any{"role": "researcher", "jwt": lines.Text()})
		if err != nil {
			fmt.Printf("refused %q\n", err.Error())
			continue
		}
		fmt.Println("taken", answer.Auth.Alias.Name)
	}
}

// settings reads a file of the guide, with the test's issuer and audience in place of the guide's.
func settings(path string) map[string]any {
	text, err := os.ReadFile(path)
	exitOn(err)
	told := strings.NewReplacer("https://stint.example.org:8443", os.Getenv("ISSUER"), "https://vault.example.org", os.Getenv("RESOURCE"))
	var read map[string]any
	exitOn(json.Unmarshal([]byte(told.Replace(string(text))), &read))
	return read
}

func (v vault) write(ctx context.Context, operation logical.Operation, path string, data map[string]any) (*logical.Response, error) {
	answer, err := v.method.HandleRequest(ctx, &logical.Request{
		Operation:  operation,
		Path:       path,
		Storage:    v.storage,
		Data:       data,
		Connection: &logical.Connection{RemoteAddr: "127.0.0.1"},
	})
	if err == nil && answer.IsError() {
		err = answer.Error()
	}
	return answer, err
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
