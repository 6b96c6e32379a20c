#include <windows.h>
#include <stdio.h>
#include <stdlib.h>

#include "loader.h"

static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE woken = CONDITION_VARIABLE_INIT;

void sys_lock(void) { AcquireSRWLockExclusive(&lock); }
void sys_unlock(void) { ReleaseSRWLockExclusive(&lock); }
void sys_wait(void) { SleepConditionVariableSRW(&woken, &lock, INFINITE, 0); }
void sys_wake(void) { WakeAllConditionVariable(&woken); }

// Go has its paths in UTF-8.
static wchar_t *wide(const char *text) {
	int n = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
	wchar_t *w = n > 0 ? malloc(n * sizeof *w) : NULL;
	if (w) MultiByteToWideChar(CP_UTF8, 0, text, -1, w, n);
	return w;
}

void *sys_open(const char *path, char *why, uint32_t size) {
	wchar_t *w = wide(path);
	// What it needs is looked for beside it first.
	HMODULE library = w ? LoadLibraryExW(w, NULL, LOAD_WITH_ALTERED_SEARCH_PATH) : NULL;
	if (!library) snprintf(why, size, "the system cannot load it: error %lu", (unsigned long)GetLastError());
	free(w);
	return library;
}

void *sys_symbol(void *library, const char *name) { return (void *)GetProcAddress(library, name); }

void sys_close(void *library) { FreeLibrary(library); }

int sys_in_memory(const char *path) {
	wchar_t *w = wide(path);
	int there = w && GetModuleHandleW(w);
	free(w);
	return there;
}

// Go's runtime cannot leave the memory, so the library must not, whatever the host does.
int isapiloader_self(char *path, uint32_t size) {
	HMODULE self;
	wchar_t w[32768];
	if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, (LPCWSTR)(void *)isapiloader_self, &self))
		return 0;
	DWORD n = GetModuleFileNameW(self, w, sizeof w / sizeof *w);
	if (n == 0 || n == sizeof w / sizeof *w) return 0;
	return WideCharToMultiByte(CP_UTF8, 0, w, -1, path, size, NULL, NULL) > 0;
}
