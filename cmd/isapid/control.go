package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
)

// control is what the commands to a running server have in common: how to find it, and how long to wait for what they began.
type control struct {
	config string
	socket string
	url    string // of a server that is reached over TCP
	token  string // file
	ca     string // file

	noWait  bool
	timeout time.Duration

	poll time.Duration // between two looks at the status
}

func newControl(cmd *cobra.Command) *control { return newControlWith(cmd, "c") }

// newControlWith has another letter for --config, or none.
func newControlWith(cmd *cobra.Command, letter string) *control {
	c := &control{poll: 100 * time.Millisecond}
	cmd.Flags().StringVarP(&c.config, "config", letter, "", "configuration `file` of the server (default: isapid.yaml, if there is one)")
	cmd.Flags().StringVar(&c.socket, "socket", "", "control socket of the server, a `path` (default: what the configuration says)")
	cmd.Flags().StringVar(&c.url, "control", "", "`URL` of a server that is asked over TCP, as https://shop.example:9443")
	cmd.Flags().StringVar(&c.token, "token-file", "", "`file` with the token for --control")
	cmd.Flags().StringVar(&c.ca, "ca", "", "PEM `file` with what has signed the certificate of the server (default: what the system trusts)")
	return c
}

// waits adds the flags of a command that begins something and waits for it.
func (c *control) waits(cmd *cobra.Command) *control {
	cmd.Flags().BoolVar(&c.noWait, "no-wait", false, "return as soon as the server has begun")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 3*time.Minute, "give up waiting after so `long`; the server goes on")
	return c
}

// client makes a client of the server that the flags mean. The caller must close it.
func (c *control) client() (*admin.Client, error) {
	switch {
	case c.url != "" && (c.socket != "" || c.config != ""):
		return nil, usageError{errors.New("--control names a server already: leave --socket and --config away")}
	case c.url != "":
		return c.remote()
	case c.token != "" || c.ca != "":
		return nil, usageError{errors.New("--token-file and --ca are for --control URL")}
	case c.socket != "":
		return admin.Connect(admin.Target{Socket: c.socket, Named: true})
	}
	file := c.config
	if file == "" {
		file = "isapid.yaml"
	}
	socket, err := config.ControlSocket(file)
	switch {
	case c.config == "" && errors.Is(err, fs.ErrNotExist):
		socket = config.DefaultControlSocket()
	case err != nil:
		return nil, configError{fmt.Errorf("%w\n--socket PATH reaches a server without its configuration", err)}
	case socket == "":
		return nil, configError{fmt.Errorf("%s: the server has no control socket (control.socket is empty)", file)}
	}
	return admin.NewClient(socket), nil
}

// remote makes a client for TCP.
func (c *control) remote() (client *admin.Client, err error) {
	t := admin.Target{URL: c.url, CA: c.ca}
	if c.token != "" {
		if t.Token, err = admin.ReadToken(c.token); err != nil {
			return nil, usageError{err}
		}
	}
	if client, err = admin.Connect(t); err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// controlError gives what the server refused the exit code of the same error of a start.
func controlError(err error) error {
	if e, ok := errors.AsType[*admin.Error](err); ok && e.Code == http.StatusUnprocessableEntity {
		return configError{err}
	}
	return err
}

// poolCommand is a command that begins something with a pool and waits until it is done.
type poolCommand struct {
	*control
	begin func(*admin.Client, context.Context, string) (admin.PoolResult, error) // a method of the client
	// outcome compares a pool with what it was. "" without an error: it is not done yet.
	outcome func(before, now *admin.Pool, at time.Time) (string, error)
	begun   string // what is printed instead of an outcome with --no-wait, with the pool's name
}

func (c *poolCommand) run(ctx context.Context, name string, out io.Writer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := c.begin(client, ctx, name)
	if err != nil {
		return err
	}
	if len(result.Before) == 0 {
		fmt.Fprintf(out, "pool %q has loaded nothing yet: it has no workers\n", name)
	}
	end := time.Now().Add(c.timeout)
	var errs []error
	for i := range result.Before {
		before := &result.Before[i]
		says := fmt.Sprintf(c.begun, before.Name)
		if !c.noWait {
			says, err = c.await(ctx, client, before, end)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(out, says)
	}
	return errors.Join(errs...)
}

// await looks at the pool again and again until there is an outcome.
func (c *poolCommand) await(ctx context.Context, client *admin.Client, before *admin.Pool, end time.Time) (string, error) {
	for ; ; time.Sleep(c.poll) {
		s, err := client.Status(ctx)
		if err != nil {
			return "", err
		}
		found := s.Named(before.Name)
		if len(found) == 0 {
			return "", fmt.Errorf("there is no pool %q any more", before.Name)
		}
		now := &found[0]
		says, err := c.outcome(before, now, time.Now())
		if says != "" || err != nil {
			return says, err
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("pool %q is not done after %v: it is %s\nsee \"isapid status\"", now.Name, c.timeout, stateOf(now))
		}
	}
}
