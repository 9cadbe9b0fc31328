// The benchmark's generator of load: each caller is a process of its own with a connection of its own, as the broker's clients are.
//
// It is started, asked and ended by scripts/bench/compiled-generator.ts.
package main

import (
	"encoding/base64"
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == "caller" {
		return runCaller()
	}
	var shared settings
	flag.StringVar(&shared.Socket, "socket", "", "the broker's workload socket")
	flag.StringVar(&shared.Run, "run", "", "the run that steps are opened in")
	flag.StringVar(&shared.Kind, "kind", "", "what callers do")
	flag.StringVar(&shared.Audience, "audience", "", "whom JWT-SVIDs are for")
	grant := flag.String("grant", "", "what a step may do: a stint.v1.Grant in base64")
	brokerPid := flag.Int("pid", 0, "the broker's process")
	flag.Parse()
	var err error
	if shared.Grant, err = base64.StdEncoding.DecodeString(*grant); err != nil {
		return err
	}
	if shared.Kind == "watchers" {
		return runWatchers(shared, *brokerPid)
	}
	return runLoad(shared, *brokerPid)
}
