package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// asksForHelp makes nothing at all, and "help" before a command, mean --help.
func asksForHelp(args []string) []string {
	if len(args) == 0 {
		return []string{"--help"}
	}
	if args[0] == "help" {
		return append(append([]string{}, args[1:]...), "--help")
	}
	return args
}

// printHelp prints the help of nex or of a command. That of a command names the connection flags
// in one line only: there are many, and they are the same for all.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if ctx.Selected() == nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	show := hideGroup(ctx.Model.Node, groupNATS)
	defer show()
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ctx.Stdout, "\nNATS connection flags, such as --server, --creds and --context: see nex --help")
	return err
}

// hideGroup hides the flags of a group until the function that it returns is called.
func hideGroup(node *kong.Node, key string) (show func()) {
	var hidden []*kong.Flag
	for _, f := range node.Flags {
		if f.Group != nil && f.Group.Key == key && !f.Hidden {
			f.Hidden = true
			hidden = append(hidden, f)
		}
	}
	return func() {
		for _, f := range hidden {
			f.Hidden = false
		}
	}
}

// flagHelp is the help of a flag or an argument, with its default and its environment variables.
func flagHelp(v *kong.Value) string {
	var also []string
	if v.Default != "" && !v.IsBool() && !kong.HasInterpolatedVar(v.OrigHelp, "default") {
		also = append(also, "default: "+v.Default)
	}
	for _, name := range v.Tag.Envs {
		also = append(also, "$"+name)
	}
	if len(also) == 0 {
		return v.Help
	}
	help := strings.TrimSuffix(v.Help, ".")
	if inBrackets, ok := strings.CutSuffix(help, ")"); ok {
		return inBrackets + ", " + strings.Join(also, ", ") + ")."
	}
	return help + " (" + strings.Join(also, ", ") + ")."
}

// Help is printed below the summary.
func (*upCommand) Help() string {
	return `Other nex commands on this machine find it by themselves; workloads and other clients connect to the address that it prints. Workloads run in the strongest sandbox that works here. Interrupt it to end it.`
}

// Help is printed below the summary.
func (*nodeUpCommand) Help() string {
	return `Without --config it reads ./config.json if there is one. Workloads run in the strongest sandbox that works here; nex node preflight says which ones do. Interrupt it to end it.`
}

// Help is printed below the summary.
func (*devrunCommand) Help() string {
	return `The type of the workload is that of the file: a program, JavaScript (.js, .mjs, .cjs) or TypeScript (.ts, .mts), a WebAssembly module (.wasm), or an image: oci://registry/repository:tag, a folder with an OCI layout, or a tar archive as docker save writes it. An image is not uploaded; the node fetches it from its registry, or reads the file itself if its allow_file_artifacts says so. Modules and TypeScript are bundled with what they import into one script; their default export is the function. A workload of the same name is replaced.

For example:

    nex devrun ./echoservice LOG_LEVEL=debug
    nex devrun echofunction.js --trigger_subject=js.echo
    nex devrun orders.ts --trigger_subject='orders.*' --call_timeout=2s
    nex devrun oci://docker.io/library/nats:2.11 --memory=512MiB --cpu=0.5`
}

// Help is printed below the summary.
func (*runCommand) Help() string {
	return `For example:

    nex run nats://MYBUCKET/echoservice NBS3Y3NWXLTFNC73XMVD6USFJF2H5QXTLEJQNOPEBPYDUDVB5YYYZOGI
    nex run nats://MYBUCKET/echofunction.js NBS3Y3NWXLTFNC73XMVD6USFJF2H5QXTLEJQNOPEBPYDUDVB5YYYZOGI --trigger_subject=js.echo
    nex run oci://registry.example.com/team/app:1.2 NBS3Y3NWXLTFNC73XMVD6USFJF2H5QXTLEJQNOPEBPYDUDVB5YYYZOGI --min_sandbox=gvisor`
}

// Help is printed below the summary.
func (*stopCommand) Help() string {
	return `Only the issuer that started a workload can stop it.`
}

// Help is printed below the summary.
func (*logsCommand) Help() string {
	return `First come the lines that the nodes still keep, then new ones until it is interrupted. With --all there are new ones only.`
}

// Help is printed below the summary.
func (*completionCommand) Help() string {
	return `For bash, in ~/.bashrc:

    source <(nex completion bash)

For zsh, in ~/.zshrc after compinit:

    source <(nex completion zsh)

For fish:

    nex completion fish > ~/.config/fish/completions/nex.fish`
}
