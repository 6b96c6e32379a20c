package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/trace"
)

// Sources are what is asked when somebody wants to know. Each is asked by one goroutine at a time, and at most once a second. All but Status
// may be nil.
type Sources struct {
	Status       func() admin.Status
	Boards       func(each func(Process, *trace.Board)) // of the processes that run images now
	AccessLost   func() int64                           // lines of access logs
	SnoopDropped func() int64                           // events, of all snoops since the start
	Spans        func() Spans
}

// Spans are those that were made since the start, by what became of them.
type Spans struct {
	Sent    int64
	Dropped int64 // because too many waited
	Refused int64 // by the collector, or it was not there for too long
}

// Handler answers what Prometheus asks, in the format it asks for. It may be called by many goroutines. There is one for a server.
func (m *Metrics) Handler(from Sources) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(m, from), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true,
		MaxRequestsInFlight: 4, // the rest is answered 503: an answer can have megabytes
	})
}

// collector is a [prometheus.Collector] over everything.
type collector struct {
	m     *Metrics
	from  Sources
	descs map[*family]*prometheus.Desc

	mu   sync.Mutex // guards all below
	own  map[string]*prometheus.Desc
	last look
	at   time.Time // of last; zero: there was none
}

func newCollector(m *Metrics, from Sources) *collector {
	c := &collector{m: m, from: from, descs: map[*family]*prometheus.Desc{}, own: map[string]*prometheus.Desc{}}
	for _, f := range families {
		c.descs[f] = prometheus.NewDesc(f.name, f.help, f.labels, nil)
	}
	return c
}

// look is what the sources said.
type look struct {
	status                   admin.Status
	accessLost, snoopDropped int64
	spans                    Spans
}

// fresh is how long what the sources said is good.
const fresh = time.Second

// Describe implements [prometheus.Collector]. It describes nothing, because images have metrics of their own.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begun := time.Now()
	c.look(begun)
	s := shown{c, to}
	s.server()
	s.requests()
	s.pools()
	s.images()
	c.m.own.each(s.ownCounter)
	s.tell(&scrapeSeconds, time.Since(begun).Seconds())
}

// look asks the sources, unless they were just asked.
func (c *collector) look(now time.Time) {
	if !c.at.IsZero() && now.Sub(c.at) < fresh {
		return
	}
	c.last = look{status: c.from.Status()}
	c.m.events.look(c.last.status.Pools, c.last.status.Images)
	if c.from.Boards != nil {
		there := map[Process]bool{}
		c.from.Boards(func(p Process, b *trace.Board) {
			there[p] = true
			c.m.calls.told(p, b)
		})
		c.m.calls.forget(there)
	}
	if c.from.AccessLost != nil {
		c.last.accessLost = c.from.AccessLost()
	}
	if c.from.SnoopDropped != nil {
		c.last.snoopDropped = c.from.SnoopDropped()
	}
	if c.from.Spans != nil {
		c.last.spans = c.from.Spans()
	}
	c.at = now
}

// shown is one answer.
type shown struct {
	*collector
	to chan<- prometheus.Metric
}

// tell shows a value.
func (s shown) tell(f *family, value float64, labels ...string) {
	t := prometheus.GaugeValue
	if f.kind == counts {
		t = prometheus.CounterValue
	}
	s.to <- prometheus.MustNewConstMetric(s.descs[f], t, value, labels...)
}

// some shows a value that is not zero, of families with a lot of series.
func (s shown) some(f *family, value float64, labels ...string) {
	if value != 0 {
		s.tell(f, value, labels...)
	}
}

// which shows 1 for one of the states, and 0 for the others.
func which[S ~string](s shown, f *family, now S, states []S, labels ...string) {
	for _, state := range states {
		v := 0.0
		if state == now {
			v = 1
		}
		s.tell(f, v, append(labels[:len(labels):len(labels)], string(state))...)
	}
}

func (s shown) server() {
	st := &s.last.status
	s.tell(&buildInfo, 1, clean(st.Version), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	s.tell(&startTime, seconds(st.Started))
	which(s, &serverState, st.State, []admin.State{admin.StateServing, admin.StateDraining})
	good, at := 1.0, st.Started
	if st.Reload != nil {
		at = st.Reload.At
		if st.Reload.Error != "" {
			good = 0
		}
	}
	s.tell(&reloadGood, good)
	s.tell(&reloadTime, seconds(at))
	s.tell(&inFlight, float64(st.Requests.Running))
	s.tell(&accessLost, float64(s.last.accessLost))
	s.tell(&snoops, float64(len(st.Snoops)))
	s.tell(&snoopDropped, float64(s.last.snoopDropped))
	s.tell(&spansTotal, float64(s.last.spans.Sent), "sent")
	s.tell(&spansTotal, float64(s.last.spans.Dropped), "dropped")
	s.tell(&spansTotal, float64(s.last.spans.Refused), "refused")
}

func (s shown) requests() {
	s.m.requests.each(func(labels []string, r *series) {
		for i := range r.classes {
			s.some(&requestsTotal, float64(r.classes[i].Load()), append(labels[:len(labels):len(labels)], classes[i])...)
		}
		count, sum, upTo := r.histogram()
		s.to <- prometheus.MustNewConstHistogram(s.descs[&duration], count, sum, upTo, labels...)
		s.tell(&received, float64(r.received.Load()), labels...)
		s.tell(&sent, float64(r.sent.Load()), labels...)
		s.some(&retries, float64(r.retries.Load()), labels...)
		s.some(&broken, float64(r.broken.Load()), labels...)
		s.some(&abandoned, float64(r.gone.Load()), labels...)
	})
}

// poolStates and workerStates are the words that package pool has.
var (
	poolStates = []pool.State{
		pool.StateEmpty, pool.StateStarting, pool.StateRunning, pool.StateIdle, pool.StateDegraded, pool.StateStopped, pool.StateDraining,
	}
	workerStates = []string{"starting", "ready", "warm", "retiring", "failed", "orphan", "spare"}
)

func (s shown) pools() {
	st := &s.last.status
	s.tell(&faults, float64(st.Requests.Faults), "")
	for i := range st.Pools {
		p := &st.Pools[i]
		name := clean(p.Name)
		which(s, &poolState, p.State, poolStates, name)
		s.tell(&poolGeneration, float64(p.Generation), name)
		s.tell(&poolQueue, float64(p.Waiting), name)
		s.tell(&poolCrashes, float64(p.Crashes), name)
		s.tell(&workerStarts, float64(p.Totals.Starts), name)
		s.tell(&faults, float64(p.Totals.Faults), name)
		states := map[string]int{}
		for _, w := range p.Workers {
			states[w.State]++
			s.worker(name, &w)
		}
		for _, state := range workerStates {
			s.tell(&poolWorkers, float64(states[state]), name, state)
		}
	}
	e := &s.m.events
	s.all(&workerCrashes, &e.crashes)
	s.all(&lostRequests, &e.lost)
	s.all(&recycles, &e.recycles)
}

func (s shown) worker(name string, w *pool.WorkerStatus) {
	if w.Pid == 0 {
		return // it has no process yet
	}
	labels := []string{name, clean(w.Name), strconv.Itoa(w.Generation)}
	s.tell(&workerCPU, time.Duration(w.CPU).Seconds(), labels...)
	s.tell(&workerResident, float64(w.Resident), labels...)
	s.tell(&workerPrivate, float64(w.Private), labels...)
	s.tell(&workerThreads, float64(w.Threads), labels...)
	s.tell(&workerAge, time.Duration(w.Age).Seconds(), labels...)
	s.tell(&workerRequests, float64(w.Served), labels...)
	s.tell(&workerInFlight, float64(w.InFlight), labels...)
	s.tell(&workerOldest, time.Duration(w.OldestAge).Seconds(), labels...)
}

func (s shown) images() {
	for _, i := range s.last.status.Images {
		image := clean(i.Image)
		s.tell(&imageInfo, 1, image, clean(i.Serving.SHA256), clean(i.Serving.BuildID))
		trouble := 0.0
		if i.Trouble != "" {
			trouble = 1
		}
		s.tell(&imageTrouble, trouble, image)
	}
	s.inside()
	e := &s.m.events
	s.all(&swapsTotal, &e.swaps)
	s.all(&heldRequests, &e.held)
	s.all(&swapLost, &e.swapLost)
	s.all(&misuse, &e.misuse)
	s.all(&apiCalls, &s.m.calls.calls)
	s.all(&apiErrors, &s.m.calls.errors)
	s.all(&refused, &s.m.own.refused)
}

// inside shows what is loaded into the server itself. An image can be there more than once, for several applications.
func (s shown) inside() {
	told, faults := map[[4]string]bool{}, map[[2]string]int64{}
	for _, i := range s.last.status.InProcess {
		told[[4]string{clean(i.Pool), clean(i.Image), strconv.Itoa(i.Generation), clean(i.SHA256)}] = true
		faults[[2]string{clean(i.Pool), clean(i.Image)}] += i.Faults
	}
	for labels := range told {
		s.tell(&insideInfo, 1, labels[:]...)
	}
	for labels, n := range faults {
		s.tell(&insideFaults, float64(n), labels[:]...)
	}
}

// all shows every value of a counter.
func (s shown) all(f *family, c *counter) {
	c.each(len(f.labels), func(v float64, labels []string) { s.tell(f, v, labels...) })
}

// ownCounter shows what an image publishes.
func (s shown) ownCounter(name string, labels []string, value float64, values []string) {
	key := name
	for _, l := range labels {
		key += " " + l
	}
	d := s.own[key]
	if d == nil {
		d = prometheus.NewDesc(name, "Published by an extension or filter.", labels, nil)
		s.own[key] = d
	}
	s.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, values...)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
