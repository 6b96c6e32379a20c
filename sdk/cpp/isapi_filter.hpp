// isapi_filter.hpp: ISAPI filters in modern C++ (11 and later), in one thin layer over httpfilt.h.
//
//     #include <isapi_filter.hpp>
//
//     class Rewriter : public isapi::Filter {
//         DWORD preproc_headers(isapi::Context &context, isapi::Headers &headers) override {
//             if (headers.get("url") == "/old")
//                 headers.set("url", "/new");
//             return SF_STATUS_REQ_NEXT_NOTIFICATION;
//         }
//     };
//
//     ISAPI_FILTER(Rewriter, "sends old addresses on", SF_NOTIFY_PREPROC_HEADERS)
//
// There is one object of the class in the library, made when it is loaded. Its functions run in many threads at a time, those
// for one connection one after the other. An exception that leaves one becomes SF_STATUS_REQ_ERROR, with the code of an
// isapi::Error, ERROR_ACCESS_DENIED for instance. Arguments live as long as the call.
#ifndef ISAPID_ISAPI_FILTER_HPP
#define ISAPID_ISAPI_FILTER_HPP

#include <httpfilt.h>
#include <isapi.hpp>

#include <memory>
#include <new>

namespace isapi {

// Session is what a filter remembers of a connection: derive from it.
class Session {
public:
    virtual ~Session() {}
};

// Context is a connection, and the request that runs on it, as this filter sees them.
class Context {
public:
    explicit Context(HTTP_FILTER_CONTEXT *pfc) : pfc_(pfc) {}
    Context(const Context &) = delete;
    Context &operator=(const Context &) = delete;

    HTTP_FILTER_CONTEXT *pfc() const noexcept { return pfc_; } // its pFilterContext belongs to session
    bool secure() const noexcept { return pfc_->fIsSecurePort != FALSE; }

    // The T of this connection, a class derived from Session, always the same one. It is made when first asked for and deleted
    // when the connection ends.
    template <class T> T &session() {
        if (!pfc_->pFilterContext)
            pfc_->pFilterContext = static_cast<Session *>(new T());
        return *static_cast<T *>(static_cast<Session *>(pfc_->pFilterContext));
    }

    // Stores a server variable in value; false: there is none of this name, or it has no value now.
    bool variable(const std::string &name, std::string &value) const {
        return fetch(
            [&](char *buffer, DWORD *size) {
                return pfc_->GetServerVariable(pfc_, const_cast<char *>(name.c_str()), buffer, size);
            },
            "GetServerVariable(" + name + ")", value);
    }
    std::string variable(const std::string &name, const char *otherwise = "") const {
        std::string value;
        return variable(name, value) ? value : otherwise;
    }

    // Adds a header to the response to come. Not in send_response, which has Headers for that.
    void response_header(const std::string &name, const std::string &value) {
        const std::string line = name + ": " + value + "\r\n";
        check(pfc_->AddResponseHeaders(pfc_, const_cast<char *>(line.c_str()), 0), "AddResponseHeaders");
    }

    // Adds a header to the response if access is denied.
    void header_on_denial(const std::string &name, const std::string &value) {
        const std::string line = name + ": " + value + "\r\n";
        request(SF_REQ_ADD_HEADERS_ON_DENIAL, "ADD_HEADERS_ON_DENIAL", const_cast<char *>(line.c_str()), 0);
    }

    // Answers the request: headers are lines that end with "\r\n", without Content-Length. Return what it returns.
    DWORD respond(const std::string &status, const std::string &headers, const std::string &body) {
        const std::string block = headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
        request(SF_REQ_SEND_RESPONSE_HEADER, "SEND_RESPONSE_HEADER", const_cast<char *>(status.c_str()),
                reinterpret_cast<ULONG_PTR>(block.c_str()));
        if (!body.empty())
            write(body.data(), body.size());
        return SF_STATUS_REQ_FINISHED_KEEP_CONN;
    }

    // Sends bytes as they are.
    void write(const char *data, std::size_t size) {
        while (size > 0) {
            DWORD n = static_cast<DWORD>(std::min<std::size_t>(size, 1u << 30));
            const DWORD asked = n;
            check(pfc_->WriteClient(pfc_, const_cast<char *>(data), &n, 0), "WriteClient");
            data += asked;
            size -= asked;
        }
    }

    // Shows this filter no more of these events (SF_NOTIFY_*) of the request.
    void disable(DWORD events) { request(SF_REQ_DISABLE_NOTIFICATIONS, "DISABLE_NOTIFICATIONS", nullptr, events); }

    // Zero bytes that live as long as the connection, for what a structure is to point to. Connections can be long.
    void *alloc(std::size_t size) {
        void *p = size <= 0xffffffffu ? pfc_->AllocMem(pfc_, static_cast<DWORD>(size), 0) : nullptr;
        if (!p)
            throw std::bad_alloc();
        return p;
    }
    // A text there.
    const char *copy(const std::string &text) {
        return static_cast<const char *>(std::memcpy(alloc(text.size() + 1), text.c_str(), text.size() + 1));
    }

private:
    friend class Headers;

    static void check(BOOL ok, const char *what) {
        if (!ok)
            throw Error(what, GetLastError());
    }

    void request(enum SF_REQ_TYPE code, const char *name, void *data, ULONG_PTR ul1) {
        check(pfc_->ServerSupportFunction(pfc_, code, data, ul1, 0), name);
    }

    // Has get store a text, in a buffer that is large enough.
    template <class Get> static bool fetch(Get get, const std::string &what, std::string &value) {
        std::string buffer(256, '\0');
        for (;;) {
            DWORD size = static_cast<DWORD>(buffer.size());
            if (get(&buffer[0], &size)) {
                value.assign(buffer, 0, size > 0 ? size - 1 : 0); // the size counts the terminating 0
                return true;
            }
            const DWORD error = GetLastError();
            if (error == ERROR_INVALID_INDEX || error == ERROR_NO_DATA)
                return false;
            if (error != ERROR_INSUFFICIENT_BUFFER)
                throw Error(what, error);
            buffer.resize(std::max<std::size_t>(size, buffer.size() * 2));
        }
    }

    HTTP_FILTER_CONTEXT *pfc_;
};

// Headers are those of the request, or in send_response those of the response. Names are "User-Agent"; "url" (with the query),
// "method" and "version" are the request's, "status" ("200 OK") is the response's.
class Headers {
public:
    Headers(HTTP_FILTER_CONTEXT *pfc, HTTP_FILTER_PREPROC_HEADERS *headers) : pfc_(pfc), headers_(headers) {}
    Headers(const Headers &) = delete;
    Headers &operator=(const Headers &) = delete;

    // Stores a header in value; false: there is none.
    bool get(const std::string &name, std::string &value) const {
        const std::string full = spelled(name);
        return Context::fetch(
            [&](char *buffer, DWORD *size) {
                return headers_->GetHeader(pfc_, const_cast<char *>(full.c_str()), buffer, size);
            },
            "GetHeader(" + name + ")", value);
    }
    std::string get(const std::string &name, const char *otherwise = "") const {
        std::string value;
        return get(name, value) ? value : otherwise;
    }

    // Puts one header in place of all of that name.
    void set(const std::string &name, const std::string &value) {
        Context::check(headers_->SetHeader(pfc_, const_cast<char *>(spelled(name).c_str()), const_cast<char *>(value.c_str())),
                       "SetHeader");
    }
    void remove(const std::string &name) { set(name, ""); }
    // Adds one, also when there are some of that name.
    void add(const std::string &name, const std::string &value) {
        Context::check(headers_->AddHeader(pfc_, const_cast<char *>(spelled(name).c_str()), const_cast<char *>(value.c_str())),
                       "AddHeader");
    }

private:
    static std::string spelled(const std::string &name) {
        if (name == "url" || name == "method" || name == "version" || name == "status")
            return name;
        return !name.empty() && name[name.size() - 1] == ':' ? name : name + ":";
    }

    HTTP_FILTER_CONTEXT *pfc_;
    HTTP_FILTER_PREPROC_HEADERS *headers_;
};

// put overwrites a text where it lies, in url_map and authentication; throws std::length_error when there is no room.
inline void put(char *buffer, DWORD room, const std::string &text) {
    if (text.size() >= room)
        throw std::length_error("a text of " + std::to_string(text.size()) + " bytes is too long");
    std::memcpy(buffer, text.c_str(), text.size() + 1);
}

// Filter is a class to derive from: override the functions for the events that ISAPI_FILTER registers for. They return
// SF_STATUS_REQ_*.
class Filter {
public:
    virtual ~Filter() {}

    virtual DWORD read_raw_data(Context &, HTTP_FILTER_RAW_DATA &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD preproc_headers(Context &, Headers &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD url_map(Context &, HTTP_FILTER_URL_MAP &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD authentication(Context &, HTTP_FILTER_AUTHENT &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD auth_complete(Context &, Headers &, HTTP_FILTER_AUTH_COMPLETE_INFO &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD access_denied(Context &, HTTP_FILTER_ACCESS_DENIED &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD send_response(Context &, Headers &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD send_raw_data(Context &, HTTP_FILTER_RAW_DATA &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD end_of_request(Context &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }
    virtual DWORD log(Context &, HTTP_FILTER_LOG &) { return SF_STATUS_REQ_NEXT_NOTIFICATION; }

    // Is told of an exception that left one of the above. Here it goes unsaid.
    virtual void failed(const char *) noexcept {}

    // notify calls the function for an event. No exception leaves it.
    DWORD notify(HTTP_FILTER_CONTEXT *pfc, DWORD event, void *what) noexcept {
        if (event == SF_NOTIFY_END_OF_NET_SESSION) {
            delete static_cast<Session *>(pfc->pFilterContext);
            pfc->pFilterContext = nullptr;
            return SF_STATUS_REQ_NEXT_NOTIFICATION;
        }
        DWORD code = ERROR_GEN_FAILURE;
        try {
            Context context(pfc);
            return dispatch(context, event, what);
        } catch (const Error &e) {
            failed(e.what());
            code = e.code();
        } catch (const std::bad_alloc &e) {
            failed(e.what());
            code = ERROR_NOT_ENOUGH_MEMORY;
        } catch (const std::exception &e) {
            failed(e.what());
        } catch (...) {
            failed("unknown exception");
        }
        SetLastError(code);
        return SF_STATUS_REQ_ERROR;
    }

private:
    DWORD dispatch(Context &context, DWORD event, void *what) {
        switch (event) {
        case SF_NOTIFY_READ_RAW_DATA: return read_raw_data(context, *static_cast<HTTP_FILTER_RAW_DATA *>(what));
        case SF_NOTIFY_URL_MAP: return url_map(context, *static_cast<HTTP_FILTER_URL_MAP *>(what));
        case SF_NOTIFY_AUTHENTICATION: return authentication(context, *static_cast<HTTP_FILTER_AUTHENT *>(what));
        case SF_NOTIFY_ACCESS_DENIED: return access_denied(context, *static_cast<HTTP_FILTER_ACCESS_DENIED *>(what));
        case SF_NOTIFY_SEND_RAW_DATA: return send_raw_data(context, *static_cast<HTTP_FILTER_RAW_DATA *>(what));
        case SF_NOTIFY_END_OF_REQUEST: return end_of_request(context);
        case SF_NOTIFY_LOG: return log(context, *static_cast<HTTP_FILTER_LOG *>(what));
        }
        // What the other three point to begins alike.
        Headers headers(context.pfc(), static_cast<HTTP_FILTER_PREPROC_HEADERS *>(what));
        switch (event) {
        case SF_NOTIFY_PREPROC_HEADERS: return preproc_headers(context, headers);
        case SF_NOTIFY_AUTH_COMPLETE: return auth_complete(context, headers, *static_cast<HTTP_FILTER_AUTH_COMPLETE_INFO *>(what));
        case SF_NOTIFY_SEND_RESPONSE: return send_response(context, headers);
        }
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }
};

// load makes the filter of a library. An exception of its constructor refuses to be loaded.
template <class T>
BOOL load(std::unique_ptr<Filter> &filter, HTTP_FILTER_VERSION *version, const char *description, DWORD flags) noexcept {
    try {
        filter.reset(new T());
    } catch (const Error &e) {
        SetLastError(e.code());
        return FALSE;
    } catch (...) {
        SetLastError(ERROR_DLL_INIT_FAILED);
        return FALSE;
    }
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    std::strncpy(version->lpszFilterDesc, description, SF_MAX_FILTER_DESC_LEN - 1);
    version->lpszFilterDesc[SF_MAX_FILTER_DESC_LEN - 1] = '\0';
    version->dwFlags = flags | SF_NOTIFY_END_OF_NET_SESSION;
    return TRUE;
}

} // namespace isapi

#ifdef _MSC_VER
#define ISAPI_EXPORT_FILTER_NAMES                              \
    __pragma(comment(linker, "/EXPORT:GetFilterVersion"))      \
    __pragma(comment(linker, "/EXPORT:HttpFilterProc"))        \
    __pragma(comment(linker, "/EXPORT:TerminateFilter"))
#else
#define ISAPI_EXPORT_FILTER_NAMES
#endif

// ISAPI_FILTER makes the library a filter: once per library, with a class that can be made without arguments, a description for
// the server's log, and the events and order (SF_NOTIFY_*) to register for. The same library can have ISAPI_EXTENSION too.
#define ISAPI_FILTER(type, description, flags)                                                               \
    ISAPI_EXPORT_FILTER_NAMES                                                                                \
    static std::unique_ptr<isapi::Filter> isapi_filter;                                                      \
    extern "C" BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version) {                                  \
        return isapi::load<type>(isapi_filter, version, description, flags);                                 \
    }                                                                                                        \
    extern "C" DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *pfc, DWORD event, VOID *what) {              \
        return isapi_filter->notify(pfc, event, what);                                                       \
    }                                                                                                        \
    extern "C" BOOL WINAPI TerminateFilter(DWORD) {                                                          \
        isapi_filter.reset();                                                                                \
        return TRUE;                                                                                         \
    }

#endif
