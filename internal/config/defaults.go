package config

import "time"

// DefaultPoolName is the pool of applications that name none.
const DefaultPoolName = "default"

// defaultMode is the mode of a pool that names none.
const defaultMode = ModeIsolated

// Default returns a configuration without sites. Every default of the file is in this file; the numbers are IIS's
// where it has one.
func Default() *Config {
	return &Config{
		Pools:   map[string]*Pool{DefaultPoolName: DefaultPool()},
		Limits:  defaultLimits(),
		Log:     Log{Level: "info", Format: LogAuto, Levels: map[string]string{}},
		Control: Control{Socket: DefaultControlSocket()},
		Crashes: CrashFiles{Keep: 50},
		Tracing: Tracing{Sample: 1, Headers: map[string]string{}, ServiceName: "isapid"},
		Metrics: Metrics{Histogram: []time.Duration{
			time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
			100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
		}},
	}
}

// DefaultSite returns a site with the given name and root that serves files and has no bindings. Its one
// application is "/", without handlers.
func DefaultSite(name, root string) Site {
	return Site{
		Name:               name,
		ID:                 1,
		Root:               root,
		DefaultDocuments:   []string{"Default.htm", "Default.asp", "Index.htm", "Index.html", "Iisstart.htm"},
		MIME:               map[string]string{},
		ErrorPages:         map[string]ErrorPage{},
		Applications:       []Application{{Path: "/", Pool: DefaultPoolName}},
		Static:             true,
		HTTP2:              true,
		ClientCertificates: ClientNone,
		Limits:             defaultLimits(),
		Log:                SiteLog{Access: true},
	}
}

// DefaultPool returns the settings of a pool that says nothing.
func DefaultPool() *Pool {
	return &Pool{
		Mode:      defaultMode,
		Threads:   25,
		Queue:     1000,            // queueLength
		QueueWait: 2 * time.Minute, // connectionTimeout, which http.sys uses for this wait too
		ReadAhead: 48 << 10,        // uploadReadAheadSize
		Flush:     20 * time.Millisecond,
		OnFault:   FaultKeep,
		Checks:    ChecksSampled,
		Update:    Update{Watch: true, Mode: UpdateOverlap, CanaryTime: 30 * time.Second, Window: time.Minute, Factor: 2, Backups: 3},

		Isolation:       PerApplication,
		Platform:        PlatformAuto,
		Spare:           SpareAuto,
		Workers:         1,                // maxProcesses
		StartupLimit:    90 * time.Second, // startupTimeLimit
		ShutdownLimit:   90 * time.Second, // shutdownTimeLimit
		IdleTimeout:     20 * time.Minute, // idleTimeout
		Environment:     map[string]string{},
		NoNewPrivileges: true,
		Health:          Health{Ping: 30 * time.Second, Timeout: 90 * time.Second},           // pingInterval, pingResponseTime
		Recycle:         Recycle{After: 29 * time.Hour, Overlap: true, OnConfigChange: true}, // periodicRestart.time
		Crashes:         Crashes{Max: 5, Window: 5 * time.Minute},                            // rapidFailProtection
		Orphan:          Orphan{Max: 3},
	}
}

// defaultLimits returns the limits of a site that says nothing.
func defaultLimits() Limits {
	return Limits{
		Header:        16 << 10,   // MaxRequestBytes
		Body:          30_000_000, // maxAllowedContentLength
		HeaderTimeout: 30 * time.Second,
		BodyTimeout:   2 * time.Minute, // connectionTimeout
		IdleTimeout:   2 * time.Minute, // connectionTimeout
		WriteTimeout:  2 * time.Minute, // connectionTimeout
		Concurrent:    5000,            // appConcurrentRequestLimit
		URL:           4096,            // maxUrl
		Query:         2048,            // maxQueryString
	}
}
