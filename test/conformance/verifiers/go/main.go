// Judges tokens with one of several libraries, as the guide says or by its defaults; run by go-verifiers.test.ts.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
)

// A judge gives the subject of a token that it takes.
type judge func(ctx context.Context, token string) (subject string, err error)

var libraries = map[string]func(ctx context.Context, mode, issuer, resource string) (judge, error){
	"go-oidc":    judgeByGoOIDC,
	"golang-jwt": judgeByGolangJWT,
	"cap":        judgeByCap,
	"go-spiffe":  judgeByGoSPIFFE,
}

func main() {
	ctx := context.Background()
	mode, issuer, resource := os.Getenv("MODE"), os.Getenv("ISSUER"), os.Getenv("RESOURCE")
	if os.Args[1] == "go-sdk" {
		exitOn(serve(ctx, mode, issuer, resource))
		return
	}
	judged, err := libraries[os.Args[1]](ctx, mode, issuer, resource)
	exitOn(err)
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if subject, err := judged(ctx, lines.Text()); err != nil {
			fmt.Printf("refused %q\n", err.Error())
		} else {
			fmt.Println("taken", subject)
		}
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
