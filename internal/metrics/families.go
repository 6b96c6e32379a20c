package metrics

// kind is the type of a metric, as Prometheus calls it.
type kind string

const (
	counts     kind = "counter"
	gauges     kind = "gauge"
	histograms kind = "histogram"
)

// family is one metric. Docs/metrics.md has a row for each.
type family struct {
	name   string
	kind   kind
	labels []string
	help   string
}

// ofRequest are the labels of what is counted of requests.
var ofRequest = []string{"site", "application", "pool", "image", "generation"}

var (
	ofPool   = []string{"pool"}
	ofWorker = []string{"pool", "worker", "generation"}
	ofImage  = []string{"image"}
)

// What is told of the server.
var (
	buildInfo     = family{"isapid_build_info", gauges, []string{"version", "goversion", "goos", "goarch"}, "What runs; always 1."}
	startTime     = family{"isapid_start_time_seconds", gauges, nil, "When the server was started, in seconds since 1970."}
	serverState   = family{"isapid_state", gauges, []string{"state"}, "1 for what the server does now, 0 for the other states."}
	reloadGood    = family{"isapid_config_reload_successful", gauges, nil, "1 if the last reload of the configuration was good, or there was none; 0 if it was refused."}
	reloadTime    = family{"isapid_config_reload_time_seconds", gauges, nil, "When the configuration was last reloaded, well or not, in seconds since 1970; else the start."}
	inFlight      = family{"isapid_requests_in_flight", gauges, nil, "Requests that have not ended."}
	accessLost    = family{"isapid_access_log_lost_lines_total", counts, nil, "Lines of access logs that could not be written."}
	snoops        = family{"isapid_snoops", gauges, nil, "Snoops that are attached."}
	snoopDropped  = family{"isapid_snoop_dropped_events_total", counts, nil, "Events that snoops were not shown because there were too many."}
	spansTotal    = family{"isapid_spans_total", counts, []string{"result"}, "Spans by what became of them: sent, dropped, refused."}
	scrapeSeconds = family{"isapid_metrics_seconds", gauges, nil, "How long it took to collect what this answer says."}
)

// What is told of requests.
var (
	requestsTotal = family{"isapid_requests_total", counts, []string{"site", "application", "pool", "image", "generation", "status"}, "Requests that have ended, by class of the status that was sent (none: nothing could be sent)."}
	duration      = family{"isapid_request_duration_seconds", histograms, ofRequest, "Time from the head of a request to the end of its response."}
	received      = family{"isapid_request_received_bytes_total", counts, ofRequest, "Bytes received of requests: bodies, and over HTTP/1 heads."}
	sent          = family{"isapid_response_sent_bytes_total", counts, ofRequest, "Bytes sent of the bodies of responses."}
	retries       = family{"isapid_request_retries_total", counts, ofRequest, "Times a request was given to another worker because one was lost."}
	broken        = family{"isapid_responses_broken_total", counts, ofRequest, "Responses that had begun and could not be completed."}
	abandoned     = family{"isapid_requests_abandoned_total", counts, ofRequest, "Requests whose client left before the end."}
)

// What is told of pools and their workers.
var (
	poolState      = family{"isapid_pool_state", gauges, []string{"pool", "state"}, "1 for what the pool does now, 0 for the other states."}
	poolGeneration = family{"isapid_pool_generation", gauges, ofPool, "Number of the generation that serves."}
	poolQueue      = family{"isapid_pool_queue_length", gauges, ofPool, "Requests that wait for a worker."}
	poolWorkers    = family{"isapid_pool_workers", gauges, []string{"pool", "state"}, "Workers by state."}
	poolCrashes    = family{"isapid_pool_recent_crashes", gauges, ofPool, "Crashes in the time in which too many degrade the pool."}
	workerStarts   = family{"isapid_worker_starts_total", counts, ofPool, "Workers that were started."}
	workerCrashes  = family{"isapid_worker_crashes_total", counts, []string{"pool", "kind"}, "Workers that ended and were not to, by signal or how else."}
	lostRequests   = family{"isapid_requests_lost_total", counts, ofPool, "Requests that were in workers that ended."}
	faults         = family{"isapid_faults_total", counts, ofPool, "Faults of images that were contained; without a pool: in the server itself."}
	recycles       = family{"isapid_recycles_total", counts, []string{"pool", "reason"}, "Generations that replaced another, by reason."}

	workerCPU      = family{"isapid_worker_cpu_seconds_total", counts, ofWorker, "CPU time of a worker."}
	workerResident = family{"isapid_worker_resident_memory_bytes", gauges, ofWorker, "Resident memory of a worker."}
	workerPrivate  = family{"isapid_worker_private_memory_bytes", gauges, ofWorker, "Private memory of a worker."}
	workerThreads  = family{"isapid_worker_threads", gauges, ofWorker, "Threads of a worker."}
	workerAge      = family{"isapid_worker_age_seconds", gauges, ofWorker, "Time since the start of a worker."}
	workerRequests = family{"isapid_worker_requests_total", counts, ofWorker, "Requests that a worker was given."}
	workerInFlight = family{"isapid_worker_requests_in_flight", gauges, ofWorker, "Requests that are in a worker."}
	workerOldest   = family{"isapid_worker_oldest_request_seconds", gauges, ofWorker, "Age of the oldest request in a worker; 0 if there is none."}
)

// What is told of images.
var (
	imageInfo    = family{"isapid_image_info", gauges, []string{"image", "sha256", "build_id"}, "The version of an image that serves; always 1."}
	imageTrouble = family{"isapid_image_trouble", gauges, ofImage, "1 if the files of an image cannot be looked at or changed."}
	insideInfo   = family{"isapid_in_process_info", gauges, []string{"pool", "image", "generation", "sha256"}, "An image that is loaded into the server itself; always 1."}
	insideFaults = family{"isapid_in_process_faults_total", counts, []string{"pool", "image"}, "Faults of an image in the server itself, since it was loaded."}
	swapsTotal   = family{"isapid_swaps_total", counts, []string{"image", "result"}, "Swaps by result: committed, rejected, taken_back."}
	heldRequests = family{"isapid_requests_held_total", counts, ofImage, "Requests that waited in a swap because the old version had to end first."}
	swapLost     = family{"isapid_swap_lost_requests_total", counts, ofImage, "Requests that no version answered while one replaced another."}
	misuse       = family{"isapid_misuse_total", counts, []string{"image", "kind"}, "Findings: what images did and must not."}
	apiCalls     = family{"isapid_api_calls_total", counts, []string{"pool", "function"}, "Calls between the server and images."}
	apiErrors    = family{"isapid_api_errors_total", counts, []string{"pool", "function", "error"}, "Calls that failed, by Windows error code."}
	refused      = family{"isapid_counters_refused_total", counts, []string{"pool", "reason"}, "Times that an image counted something that is out of bounds."}
)

// families are all metrics, but for those of Go, of the process, and of images themselves.
var families = []*family{
	&buildInfo, &startTime, &serverState, &reloadGood, &reloadTime, &inFlight, &accessLost, &snoops, &snoopDropped, &spansTotal, &scrapeSeconds,
	&requestsTotal, &duration, &received, &sent, &retries, &broken, &abandoned,
	&poolState, &poolGeneration, &poolQueue, &poolWorkers, &poolCrashes, &workerStarts, &workerCrashes, &lostRequests, &faults, &recycles,
	&workerCPU, &workerResident, &workerPrivate, &workerThreads, &workerAge, &workerRequests, &workerInFlight, &workerOldest,
	&imageInfo, &imageTrouble, &insideInfo, &insideFaults, &swapsTotal, &heldRequests, &swapLost, &misuse, &apiCalls, &apiErrors, &refused,
}
