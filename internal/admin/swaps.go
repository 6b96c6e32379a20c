package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/isapid/isapid/internal/swap"
)

// deploy takes a new version and has the server replace an image by it. What has begun goes on when the client has gone.
func (h *handler) deploy(r *http.Request, out *lines) (swap.Receipt, error) {
	name, wait, err := deployQuery(r.URL)
	if err != nil {
		return swap.Receipt{}, err
	}
	image, err := FindImage(h.server.Images(), name) // before the file is sent for nothing
	if err != nil {
		return swap.Receipt{}, err
	}
	if r.ContentLength > maxFile {
		return swap.Receipt{}, tooLarge(maxFile)
	}
	file, err := receive(out.w, r)
	if err != nil {
		return swap.Receipt{}, err
	}
	defer os.Remove(file) // the server may have moved it
	h.tell(r, "image", image.Path)
	defer h.busy(image, out)()
	receipt, err := h.server.Deploy(h.life, image.Path, callOf(r).did("deploy"), wait, file, out.step)
	return receipt, h.swapError(err, image)
}

// deployQuery reads the fields of a deploy.
func deployQuery(u *url.URL) (image string, wait bool, err error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", false, &Error{http.StatusBadRequest, "the query cannot be read: " + err.Error(), "send ?image=NAME&wait=true"}
	}
	for field, values := range query {
		switch field {
		case "image":
			image = values[0]
		case "wait":
			wait, err = strconv.ParseBool(values[0])
		default:
			err = errors.New("unknown field")
		}
		if err != nil || len(values) > 1 {
			return "", false, &Error{http.StatusBadRequest, fmt.Sprintf("the query cannot be read: %s=%q", field, values), "send ?image=NAME&wait=true"}
		}
	}
	return image, wait, nil
}

// rollback has the server put back a version that is kept beside the image.
func (h *handler) rollback(r *http.Request, out *lines) (swap.Receipt, error) {
	var in RollbackRequest
	if err := read(r, &in); err != nil {
		return swap.Receipt{}, err
	}
	image, err := FindImage(h.server.Images(), in.Image)
	if err != nil {
		return swap.Receipt{}, err
	}
	if _, _, err := ParseVersion(in.To); err != nil {
		return swap.Receipt{}, &Error{http.StatusBadRequest, fmt.Sprintf("%q is no version", in.To), err.Error()}
	}
	h.tell(r, "image", image.Path, "to", in.To)
	defer h.busy(image, out)()
	receipt, err := h.server.Rollback(h.life, image.Path, in.To, callOf(r).did("rollback"), in.Wait, out.step)
	return receipt, h.swapError(err, image)
}

// history has the newest receipts of an image.
func (h *handler) history(r *http.Request) (any, error) {
	var in HistoryRequest
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.Last < 0 {
		return nil, &Error{http.StatusBadRequest, fmt.Sprintf("last is %d", in.Last), "it is how many receipts are wanted; 0 is all"}
	}
	image, err := FindImage(h.server.Images(), in.Image)
	if err != nil {
		return nil, err
	}
	all, err := h.server.History(image.Path)
	if err != nil {
		return nil, h.swapError(err, image)
	}
	if in.Last > 0 {
		all = all[:min(len(all), in.Last)]
	}
	return HistoryResult{image.Path, listed(all)}, nil
}

// swapError says what can be done about an error of a server that replaces images.
func (h *handler) swapError(err error, image Image) error {
	switch {
	case errors.Is(err, ErrNoImage): // it was there a moment ago
		return &Error{http.StatusNotFound, err.Error(), described(h.server.Images())}
	case errors.Is(err, swap.ErrBusy):
		return &Error{http.StatusConflict, err.Error(), "try again"}
	case errors.Is(err, swap.ErrNoVersion):
		return &Error{http.StatusNotFound, err.Error(), "isapid history " + image.Path + " lists what there was"}
	}
	return err
}

// busy tells who asks for a swap why it may have to wait, and that the server lives until stop is called.
func (h *handler) busy(image Image, out *lines) (stop func()) {
	for _, s := range h.server.Status().Images {
		if s.Image == image.Path && s.Doing != "" {
			out.step(swap.Step{At: time.Now(), Text: "waiting for its turn; now: " + s.Doing})
		}
	}
	return out.alive(aliveEvery)
}
