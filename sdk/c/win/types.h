/* Type names, limits and calling conventions. Part of windows.h. */
#ifndef ISAPID_WIN_TYPES_H
#define ISAPID_WIN_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* Calling conventions and decorations mean nothing outside 32-bit Windows. */
#define WINAPI
#define APIENTRY
#define CALLBACK
#define PASCAL
#define WINBASEAPI
#define __stdcall
#define __cdecl
#define __fastcall
#define _stdcall
#define _cdecl
#define FAR
#define NEAR
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void

/* __declspec: what has a meaning here keeps it, the rest disappears. */
#define __declspec(x) W32_DECLSPEC_##x
#define W32_DECLSPEC_dllexport __attribute__((visibility("default")))
#define W32_DECLSPEC_dllimport
#define W32_DECLSPEC_noreturn __attribute__((noreturn))
#define W32_DECLSPEC_noinline __attribute__((noinline))
#define W32_DECLSPEC_nothrow
#define W32_DECLSPEC_novtable
#define W32_DECLSPEC_naked
#define W32_DECLSPEC_restrict
#define W32_DECLSPEC_selectany __attribute__((weak))
#define W32_DECLSPEC_align(n) __attribute__((aligned(n)))
#define W32_DECLSPEC_uuid(x)
#ifdef __cplusplus
#define W32_DECLSPEC_thread thread_local
#define EXTERN_C extern "C"
#else
#define W32_DECLSPEC_thread _Thread_local
#define EXTERN_C extern
#endif

typedef int BOOL, *PBOOL, *LPBOOL;
typedef char CHAR, *PCHAR, *LPCH, *PSTR, *LPSTR;
typedef const char *PCSTR, *LPCSTR;
typedef unsigned char UCHAR, *PUCHAR, BYTE, *PBYTE, *LPBYTE, BOOLEAN;
typedef int16_t SHORT, *PSHORT;
typedef uint16_t USHORT, *PUSHORT, WORD, *PWORD, *LPWORD;
typedef int INT, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT;
typedef int32_t LONG, *PLONG, *LPLONG, HRESULT;
typedef uint32_t ULONG, *PULONG, DWORD, *PDWORD, *LPDWORD;
typedef int64_t LONGLONG, *PLONGLONG, INT64, __int64;
typedef uint64_t ULONGLONG, *PULONGLONG, UINT64, DWORDLONG;
typedef float FLOAT;
typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID;
typedef intptr_t INT_PTR, LONG_PTR, SSIZE_T;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR;
typedef size_t SIZE_T;

/* Windows characters are UTF-16; write u"text", not L"text". */
#ifdef __cplusplus
typedef char16_t WCHAR, *PWCHAR, *PWSTR, *LPWSTR;
typedef const char16_t *PCWSTR, *LPCWSTR;
#else
typedef uint16_t WCHAR, *PWCHAR, *PWSTR, *LPWSTR;
typedef const uint16_t *PCWSTR, *LPCWSTR;
#endif

typedef char TCHAR, *PTSTR, *LPTSTR;
typedef const char *LPCTSTR;
#define TEXT(s) s
#define _T(s) s
#define _TEXT(s) s

/* One type for all three: old sources declare DllMain with any of them. */
typedef void *HANDLE, *HINSTANCE, *HMODULE, *HGLOBAL, *HLOCAL, *HWND, *HKEY;
typedef HANDLE *PHANDLE, *LPHANDLE;
#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)

typedef void (*FARPROC)(void);

typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength;
    LPVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

typedef union _LARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef struct _OVERLAPPED {
    ULONG_PTR Internal;
    ULONG_PTR InternalHigh;
    DWORD Offset;
    DWORD OffsetHigh;
    HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#define MAX_PATH 260
#define MAXDWORD 0xffffffffu
#define INFINITE 0xffffffffu

#define MAKEWORD(lo, hi) ((WORD)(((WORD)(BYTE)(lo)) | (WORD)(((WORD)(BYTE)(hi)) << 8)))
#define MAKELONG(lo, hi) ((LONG)(((DWORD)(WORD)(lo)) | (((DWORD)(WORD)(hi)) << 16)))
#define LOWORD(l) ((WORD)((DWORD_PTR)(l)&0xffff))
#define HIWORD(l) ((WORD)(((DWORD_PTR)(l) >> 16) & 0xffff))
#define LOBYTE(w) ((BYTE)((DWORD_PTR)(w)&0xff))
#define HIBYTE(w) ((BYTE)(((DWORD_PTR)(w) >> 8) & 0xff))

#define UNREFERENCED_PARAMETER(p) ((void)(p))
#define DBG_UNREFERENCED_PARAMETER(p) ((void)(p))

#define __max(a, b) (((a) > (b)) ? (a) : (b))
#define __min(a, b) (((a) < (b)) ? (a) : (b))
#if !defined(__cplusplus) && !defined(NOMINMAX)
#ifndef max
#define max(a, b) __max(a, b)
#endif
#ifndef min
#define min(a, b) __min(a, b)
#endif
#endif

#define S_OK ((HRESULT)0)
#define S_FALSE ((HRESULT)1)
#define E_FAIL ((HRESULT)0x80004005u)
#define SUCCEEDED(hr) ((HRESULT)(hr) >= 0)
#define FAILED(hr) ((HRESULT)(hr) < 0)

#endif
