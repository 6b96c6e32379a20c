package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/isapid/isapid/internal/passwd"
)

type passwdOptions struct {
	remove bool
	hash   string
}

func newPasswdCommand() *cobra.Command {
	var o passwdOptions
	cmd := &cobra.Command{
		Use:   "passwd FILE NAME",
		Short: "Put a user into a password file, or take one out",
		Long: `Put the user NAME into the password file FILE, with a new password if he is in it already; or take him out with --delete. The file is made if
there is none. The password is asked for at a terminal, and otherwise read from the standard input, one line. The file has a hash of it.

A running server that uses the file sees the change within a second or two. Nothing else than this file is needed: it names the users of
"authentication: {basic: {realm: shop, users: FILE}}" in the configuration.`,
		Example: `  isapid passwd shop.users joe
  isapid passwd shop.users joe < secret.txt
  isapid passwd shop.users joe --delete`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, args[0], args[1])
		},
	}
	cmd.Flags().BoolVar(&o.remove, "delete", false, "take the user out")
	cmd.Flags().StringVar(&o.hash, "hash", string(passwd.Argon2id), "`kind` of hash: argon2id, or bcrypt for other servers that read the file")
	return cmd
}

func (o passwdOptions) run(cmd *cobra.Command, file, name string) error {
	if o.remove {
		if err := passwd.Remove(file, name); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "isapid: %s: removed %q\n", file, name)
		return nil
	}
	if o.hash != string(passwd.Argon2id) && o.hash != string(passwd.Bcrypt) {
		return usageError{fmt.Errorf("--hash is %q; allowed: argon2id, bcrypt", o.hash)}
	}
	password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	entry, err := passwd.Entry(name, password, passwd.Kind(o.hash))
	if err != nil {
		return err
	}
	replaced, err := passwd.Set(file, entry)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "isapid: %s: %s %q\n", file, map[bool]string{true: "changed the password of", false: "added"}[replaced], name)
	return nil
}

// readPassword asks for a password twice at a terminal, where nobody sees it, and otherwise reads a line.
func readPassword(in io.Reader, prompt io.Writer) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var read [2]string
	for i, ask := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(prompt, ask)
		line, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		read[i] = string(line)
	}
	if read[0] != read[1] {
		return "", errors.New("the passwords are not the same")
	}
	return read[0], nil
}
