#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif

EXPORT int GetExtensionVersion(void *version)
{
	return version != 0;
}

EXPORT unsigned HttpExtensionProc(void *ecb)
{
	return ecb != 0;
}
