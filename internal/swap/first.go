package swap

import (
	"errors"
	"fmt"

	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/update"
)

// The kinds of entries in the journal.
const (
	entryTrial     = "trial"      // the version is about to serve, or does and is watched
	entryCommitted = "committed"  // it has come through its watch window
	entryRejected  = "rejected"   // it never served
	entryTakenBack = "taken back" // the version before serves again
	entryEnded     = "ended"      // the version that gave way is unloaded: the receipt is complete
)

// first makes a copy of what lies at the path, after whatever a process that was killed has left is put in order. A version that
// was being watched inside the server when that died is taken back: it may have been the cause.
func (i *Image) first(files *update.Files, p Policy) (*approved, error) {
	found, err := files.Recover()
	for _, did := range found.Did {
		i.log.Info("files of an image are put in order", "did", did)
	}
	if err != nil {
		i.troubled("the files beside the image cannot be put in order", err)
	}
	v, err := approve(files.Run())
	if err != nil {
		return nil, err
	}
	if info, err := image.Inspect(files.Run()); err == nil && info.Loader && info.SHA256 == v.build.SHA256 {
		i.log.Info("image is isapiloader: the files beside it are left to that")
		i.loader.Store(true)
	}
	if !p.InProcess || found.Last == nil || found.Last.Kind != entryTrial || found.Serving != v.build.SHA256 {
		return v, nil
	}
	before, err := i.before(files, v)
	if err != nil {
		i.log.Warn("version on trial stays, though the server died while it served", "sha256", short(v.build.SHA256), "error", err)
		return v, nil
	}
	return before, v.release()
}

// before takes a version back that was on trial when the server died.
func (i *Image) before(files *update.Files, v *approved) (*approved, error) {
	backups, err := files.Backups()
	if len(backups) == 0 {
		return nil, errors.Join(errors.New("there is no version before it"), err)
	}
	old, err := approve(backups[0].Path)
	if err != nil {
		return nil, err
	}
	files.Serving(v.build.SHA256)
	reason := "the server died while this version was being watched inside of it"
	failed, err := files.TakeBack(old.copy(), reason)
	if err != nil {
		return nil, errors.Join(err, old.release())
	}
	i.journal(files, update.Entry{Kind: entryTakenBack, Serving: old.build.SHA256})
	i.log.Error("version is taken back", "reason", reason, "sha256", short(v.build.SHA256), "to", short(old.build.SHA256), "failed", failed)
	return old, nil
}

// copy is what package update needs of a version.
func (a *approved) copy() update.Copy {
	return update.Copy{Path: a.version.File, SHA256: a.build.SHA256}
}

// journal adds an entry. That it cannot is no reason not to serve.
func (i *Image) journal(files *update.Files, e update.Entry) {
	if err := files.Append(e); err != nil {
		i.troubled("the journal beside the image cannot be written", err)
	}
}

// troubled tells the log, once, and the status what hinders swaps. Without an error there is nothing any more.
func (i *Image) troubled(what string, err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("%s: %v", what, err)
	}
	i.mu.Lock()
	news := text != i.trouble && text != ""
	i.trouble = text
	i.mu.Unlock()
	if news {
		i.log.Warn("image cannot be replaced as it should", "trouble", text)
	}
}

// short is the part of a hash that people read.
func short(sha256 string) string { return sha256[:min(12, len(sha256))] }
