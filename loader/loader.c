#ifdef _WIN32
#include <windows.h>
#include <httpext.h>
#else
#include "httpext.h"
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"
#include "_cgo_export.h"

// What a host looks for is exported as it is written. On 32-bit Windows the compiler would make it Name@4, and export that.
#if defined(_WIN32) && defined(__i386__)
#define EXPORTED(name) __asm__("_" name)
__asm__(".section .drectve\n\t.ascii \" -export:GetExtensionVersion -export:HttpExtensionProc -export:TerminateExtension -export:IsapiLoader\"\n\t.text");
#elif defined(_WIN32)
#define EXPORTED(name) __attribute__((dllexport))
#else
#define EXPORTED(name) __attribute__((visibility("default")))
#endif

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *) EXPORTED("GetExtensionVersion");
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *) EXPORTED("HttpExtensionProc");
BOOL WINAPI TerminateExtension(DWORD) EXPORTED("TerminateExtension");
DWORD WINAPI IsapiLoader(void) EXPORTED("IsapiLoader");

typedef BOOL(WINAPI *version_function)(HSE_VERSION_INFO *);
typedef DWORD(WINAPI *proc_function)(EXTENSION_CONTROL_BLOCK *);
typedef BOOL(WINAPI *terminate_function)(DWORD);
typedef BOOL(WINAPI *dllmain_function)(void *, DWORD, void *);
typedef BOOL(WINAPI *support_function)(HCONN, DWORD, LPVOID, LPDWORD, LPDWORD);

// ---- requests ----

// A request has two names: the address of its control block and its ConnID, which extensions pass for each other.
struct name {
	uintptr_t key;
	struct request *request;
	struct name *next;
};

// It ends when HttpExtensionProc has returned, and after HSE_STATUS_PENDING when HSE_REQ_DONE_WITH_SESSION has too.
struct request {
	EXTENSION_CONTROL_BLOCK *block;
	support_function support; // the host's
	struct image *image;
	struct name names[2];
	int running; // HttpExtensionProc has not returned
	int done;    // no name leads to it any more
	int telling; // the host is being told that it is done
};

// All of this is under the lock.
static struct name *table[512];
static struct image *current;
static support_function last_support; // what a stale ConnID is handed to
static int held;
static long waited;

static struct name **row(uintptr_t key) { return &table[(key ^ key >> 9) >> 4 & 511]; }

static struct request *find(uintptr_t key) {
	for (struct name *n = *row(key); n; n = n->next)
		if (n->key == key) return n->request;
	return NULL;
}

static void add_name(struct request *r, int which, uintptr_t key) {
	struct name *n = &r->names[which];
	*n = (struct name){key, r, *row(key)};
	*row(key) = n;
}

static void remove_names(struct request *r) {
	for (int i = 0; i < 2; i++) {
		struct name *n = &r->names[i];
		if (!n->request) continue;
		struct name **p = row(n->key);
		while (*p != n) p = &(*p)->next;
		*p = n->next;
	}
	r->done = 1;
}

// Frees the request if it has ended.
static void settle(struct request *r) {
	if (r->running || !r->done || r->telling) return;
	r->image->inside--;
	free(r);
}

static BOOL WINAPI support(HCONN conn, DWORD code, LPVOID buffer, LPDWORD size, LPDWORD type) {
	sys_lock();
	struct request *r = find((uintptr_t)conn);
	support_function host = r ? r->support : last_support;
	if (code != HSE_REQ_DONE_WITH_SESSION) r = NULL;
	if (r) { // the control block is the host's again when it has been told, and may be the next request's
		r->block->ServerSupportFunction = host;
		r->telling = 1;
		remove_names(r);
	}
	sys_unlock();
	BOOL ok = host(conn, code, buffer, size, type);
	if (r) {
		DWORD error = GetLastError();
		sys_lock();
		r->telling = 0;
		settle(r);
		sys_unlock();
		SetLastError(error);
	}
	return ok;
}

// Lets a request in, when none are held. NULL: there is nothing to run it, or no memory.
static struct request *enter(EXTENSION_CONTROL_BLOCK *block) {
	struct request *r = calloc(1, sizeof *r);
	sys_lock();
	if (held) waited++;
	while (held) sys_wait();
	if (!r || !current) {
		sys_unlock();
		free(r);
		return NULL;
	}
	struct request *old = find((uintptr_t)block);
	if (old && old->block == block) { // the host uses the block again: it has given that request up
		remove_names(old);
		old->running = 0;
		if (block->ServerSupportFunction == support) block->ServerSupportFunction = old->support;
		settle(old);
	}
	if (block->ServerSupportFunction != support) last_support = block->ServerSupportFunction;
	*r = (struct request){.block = block, .support = last_support, .image = current, .running = 1};
	block->ServerSupportFunction = support;
	add_name(r, 0, (uintptr_t)block);
	if ((uintptr_t)block->ConnID != (uintptr_t)block) add_name(r, 1, (uintptr_t)block->ConnID);
	current->inside++;
	sys_unlock();
	return r;
}

static void leave(struct request *r, DWORD status) {
	sys_lock();
	r->running = 0;
	if (status != HSE_STATUS_PENDING && !r->done) {
		r->block->ServerSupportFunction = r->support;
		remove_names(r);
	}
	settle(r);
	sys_unlock();
}

static DWORD unavailable(EXTENSION_CONTROL_BLOCK *block) {
	static char status[] = "503 Service Unavailable";
	static char head[] = "Content-Type: text/plain\r\nContent-Length: 40\r\nRetry-After: 10\r\n\r\n";
	static char text[] = "No version of this extension is loaded.\n";
	DWORD size = sizeof text - 1;
	block->dwHttpStatusCode = 503;
	if (!block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, status, NULL, (LPDWORD)(void *)head) ||
	    !block->WriteClient(block->ConnID, text, &size, HSE_IO_SYNC))
		return HSE_STATUS_ERROR;
	return HSE_STATUS_SUCCESS;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
	struct request *r = enter(block);
	if (!r) return unavailable(block);
	DWORD status = ((proc_function)r->image->proc)(block);
	leave(r, status);
	return status;
}

void isapiloader_serve(struct image *i) {
	sys_lock();
	current = i;
	held = 0;
	sys_wake();
	sys_unlock();
}

void isapiloader_hold(void) {
	sys_lock();
	held = 1;
	sys_unlock();
}

long isapiloader_inside(const struct image *i) {
	sys_lock();
	long n = i->inside;
	sys_unlock();
	return n;
}

long isapiloader_waited(void) {
	sys_lock();
	long n = waited;
	waited = 0;
	sys_unlock();
	return n;
}

// ---- life ----

DWORD WINAPI IsapiLoader(void) { return 1; }

// Go says what to try, one version after the other, until one is good or there is none left.
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info) {
	struct image *tried = NULL;
	uint32_t error = 0;
	while ((tried = isapiloaderTry(tried, &error)) != NULL) isapiloader_load(tried);
	sys_lock();
	BOOL ok = current != NULL;
	if (ok) {
		info->dwExtensionVersion = current->version;
		memcpy(info->lpszExtensionDesc, current->description, sizeof info->lpszExtensionDesc);
	}
	sys_unlock();
	SetLastError(ok ? 0 : error);
	return ok;
}

// A host that only asks is told no: this library cannot leave the memory.
BOOL WINAPI TerminateExtension(DWORD flags) {
	struct image *ended = NULL;
	if (flags != HSE_TERM_MUST_UNLOAD) return FALSE;
	isapiloaderStop();
	isapiloader_serve(NULL);
	for (int gone = 1; (ended = isapiloaderEnd(ended, gone)) != NULL;) gone = isapiloader_unload(ended);
	return TRUE;
}

// ---- images ----

// Finds an export, also as 32-bit Windows tools decorate it.
static void *symbol(struct image *i, void *library, const char *name, int arguments) {
	static const char *const forms[] = {"%s", "_%s@%d", "%s@%d", "_%s"};
	void *address = NULL;
	for (unsigned k = 0; k < sizeof forms / sizeof *forms && !address; k++) {
		char decorated[64];
		snprintf(decorated, sizeof decorated, forms[k], name, arguments);
		address = sys_symbol(library, decorated);
	}
	if (!address) snprintf(i->why, sizeof i->why, "it does not export %s, which every extension must", name);
	return address;
}

// Elsewhere than on Windows nobody else calls DllMain.
static BOOL dllmain(struct image *i, DWORD reason) { return i->dllmain ? ((dllmain_function)i->dllmain)(NULL, reason, NULL) : TRUE; }

static int close_all(struct image *i) {
	int n = 0;
	if (i->keep) return 0;
	while (i->paths[n]) n++;
	for (int k = n - 1; k >= 0; k--)
		if (i->handles[k]) sys_close(i->handles[k]);
	return !sys_in_memory(i->paths[n - 1]);
}

static int refuse(struct image *i) {
	close_all(i);
	return 0;
}

int isapiloader_load(struct image *i) {
	HSE_VERSION_INFO info;
	void *library = NULL, *version;
	i->error = ERROR_MOD_NOT_FOUND;
	for (int k = 0; i->paths[k]; k++) {
		if (!i->paths[k + 1] && sys_in_memory(i->paths[k])) {
			snprintf(i->why, sizeof i->why, "%.400s is in memory already: its new code would not run", i->paths[k]);
			return refuse(i);
		}
		if (!(library = i->handles[k] = sys_open(i->paths[k], i->why, sizeof i->why))) return refuse(i);
	}
	i->error = ERROR_PROC_NOT_FOUND;
	if (!(version = symbol(i, library, "GetExtensionVersion", 4)) || !(i->proc = symbol(i, library, "HttpExtensionProc", 4)))
		return refuse(i);
	i->terminate = symbol(i, library, "TerminateExtension", 4);
#ifndef _WIN32
	i->dllmain = symbol(i, library, "DllMain", 12);
#endif
	i->why[0] = 0;
	if (!dllmain(i, DLL_PROCESS_ATTACH)) {
		i->error = ERROR_DLL_INIT_FAILED;
		snprintf(i->why, sizeof i->why, "DllMain(DLL_PROCESS_ATTACH) returned FALSE");
		dllmain(i, DLL_PROCESS_DETACH);
		return refuse(i);
	}
	memset(&info, 0, sizeof info);
	SetLastError(0);
	if (!((version_function)version)(&info)) {
		i->error = GetLastError();
		snprintf(i->why, sizeof i->why, "GetExtensionVersion returned FALSE; its last error is %u", (unsigned)i->error);
		dllmain(i, DLL_PROCESS_DETACH);
		return refuse(i);
	}
	i->error = 0;
	i->version = info.dwExtensionVersion;
	memcpy(i->description, info.lpszExtensionDesc, sizeof i->description - 1);
	i->loaded = 1;
	return 1;
}

int isapiloader_unload(struct image *i) {
	if (i->terminate) ((terminate_function)i->terminate)(HSE_TERM_MUST_UNLOAD);
	dllmain(i, DLL_PROCESS_DETACH);
	return close_all(i);
}
