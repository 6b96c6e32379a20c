// The C of the loader: the functions a host calls, the way of a request into an image, and the system's loader. Everything with a policy
// is Go; but no frame of Go lies between a host and the code it calls, lest a fault that the host contains leave Go's runtime
// half-way.
#ifndef ISAPILOADER_H
#define ISAPILOADER_H

#include <stdint.h>

// One version of the extension. Go makes it, load fills it in; Go alone unloads and frees it.
struct image {
	char **paths;      // libraries to load, the image last; ends with NULL
	int keep;          // it stays in memory for good
	uint32_t error;    // last error of what went wrong, 0 if it left none
	char why[512];     // what went wrong
	int loaded;        // its GetExtensionVersion said yes
	uint32_t version;  // what it said
	char description[256];

	void **handles, *proc, *terminate, *dllmain;
	long inside; // requests that have not ended; under the lock
};

// Loads the libraries and asks for the version. 0: why and error say why not, and nothing is left in memory.
int isapiloader_load(struct image *i);
// Calls TerminateExtension and takes the image out of memory. 0: it is still there. Nobody may be inside.
int isapiloader_unload(struct image *i);

// From now on requests go to i, those that were held too. NULL: they are answered 503.
void isapiloader_serve(struct image *i);
// From now on new requests wait for isapiloader_serve.
void isapiloader_hold(void);
// Requests that are in the image, and the number that have waited since the last question.
long isapiloader_inside(const struct image *i);
long isapiloader_waited(void);

// The file this code was loaded from; 0 if it is not known.
int isapiloader_self(char *path, uint32_t size);

// ---- the system ----

void sys_lock(void);
void sys_unlock(void);
void sys_wait(void); // with the lock, which is given back meanwhile
void sys_wake(void); // everybody who waits
void *sys_open(const char *path, char *why, uint32_t size);
void *sys_symbol(void *library, const char *name);
void sys_close(void *library);
int sys_in_memory(const char *path); // there is a library of that path, or file

#endif
