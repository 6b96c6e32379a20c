//go:build unix

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "loader.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;

void sys_lock(void) { pthread_mutex_lock(&lock); }
void sys_unlock(void) { pthread_mutex_unlock(&lock); }
void sys_wait(void) { pthread_cond_wait(&woken, &lock); }
void sys_wake(void) { pthread_cond_broadcast(&woken); }

void *sys_open(const char *path, char *why, uint32_t size) {
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		const char *error = dlerror();
		snprintf(why, size, "%s", error ? error : "the system cannot load it");
	}
	return library;
}

void *sys_symbol(void *library, const char *name) { return dlsym(library, name); }

void sys_close(void *library) { dlclose(library); }

int sys_in_memory(const char *path) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (library) dlclose(library);
	return library != NULL;
}

int isapiloader_self(char *path, uint32_t size) {
	Dl_info info;
	if (!dladdr((void *)isapiloader_self, &info) || !info.dli_fname) return 0;
	return (uint32_t)snprintf(path, size, "%s", info.dli_fname) < size;
}
