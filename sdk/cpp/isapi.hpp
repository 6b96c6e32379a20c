// isapi.hpp: ISAPI extensions in modern C++ (11 and later), in one thin layer over httpext.h.
//
//     #include <isapi.hpp>
//
//     static void hello(isapi::Request &request, isapi::Response &response) {
//         response.header("Content-Type", "text/plain");
//         response.write("Hello, " + request.variable("REMOTE_ADDR", "stranger") + "\n");
//     }
//
//     ISAPI_EXTENSION(hello, "says hello")
//
// The handler runs in many threads at a time. An exception that leaves it becomes a 500 with its text in the server's
// log, or a broken connection when the response had begun. Request and Response live as long as the handler's call.
#ifndef ISAPID_ISAPI_HPP
#define ISAPID_ISAPI_HPP

#include <httpext.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>

namespace isapi {

// Error is a call to the server that failed, with the number GetLastError gave.
class Error : public std::runtime_error {
public:
    Error(const std::string &what, DWORD code)
        : std::runtime_error(what + " failed with error " + std::to_string(code)), code_(code) {}
    DWORD code() const noexcept { return code_; }

private:
    DWORD code_;
};

// Request is what the client sent.
class Request {
public:
    explicit Request(EXTENSION_CONTROL_BLOCK *ecb) : ecb_(ecb), taken_(0) {}
    Request(const Request &) = delete;
    Request &operator=(const Request &) = delete;

    EXTENSION_CONTROL_BLOCK *ecb() const noexcept { return ecb_; }
    std::string method() const { return ecb_->lpszMethod; }
    std::string query() const { return ecb_->lpszQueryString; } // not decoded, without '?'
    std::string path_info() const { return ecb_->lpszPathInfo; }
    std::string path_translated() const { return ecb_->lpszPathTranslated; }
    std::string content_type() const { return ecb_->lpszContentType; }

    // The length of the body. If it is not known beforehand this is 0xffffffff: read until read answers 0.
    DWORD content_length() const noexcept { return ecb_->cbTotalBytes; }

    // Stores a server variable in value; false: there is none of this name, or it has no value now.
    bool variable(const std::string &name, std::string &value) const {
        std::string buffer(256, '\0');
        for (;;) {
            DWORD size = static_cast<DWORD>(buffer.size());
            if (ecb_->GetServerVariable(ecb_->ConnID, const_cast<char *>(name.c_str()), &buffer[0], &size)) {
                value.assign(buffer, 0, size > 0 ? size - 1 : 0); // the size counts the terminating 0
                return true;
            }
            const DWORD error = GetLastError();
            if (error == ERROR_INVALID_INDEX || error == ERROR_NO_DATA)
                return false;
            if (error != ERROR_INSUFFICIENT_BUFFER)
                throw Error("GetServerVariable(" + name + ")", error);
            buffer.resize(std::max<std::size_t>(size, buffer.size() * 2));
        }
    }

    std::string variable(const std::string &name, const char *otherwise = "") const {
        std::string value;
        return variable(name, value) ? value : otherwise;
    }

    // A request header, "User-Agent"; several of one name are joined by commas.
    std::string header(const std::string &name, const char *otherwise = "") const {
        std::string variable_name = "HTTP_";
        for (char c : name)
            variable_name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        return variable(variable_name, otherwise);
    }

    // Reads up to size bytes of the body; 0 is its end.
    std::size_t read(void *to, std::size_t size) {
        if (size == 0)
            return 0;
        if (taken_ < ecb_->cbAvailable) { // what the server has read already
            const std::size_t n = std::min<std::size_t>(size, ecb_->cbAvailable - taken_);
            std::memcpy(to, ecb_->lpbData + taken_, n);
            taken_ += static_cast<DWORD>(n);
            return n;
        }
        if (ecb_->cbAvailable == ecb_->cbTotalBytes)
            return 0;
        DWORD n = static_cast<DWORD>(std::min<std::size_t>(size, 1u << 30));
        if (!ecb_->ReadClient(ecb_->ConnID, to, &n))
            throw Error("ReadClient", GetLastError());
        return n;
    }

    // The whole body; throws std::length_error when it is longer than limit.
    std::string body(std::size_t limit = 1u << 20) {
        std::string all;
        char block[8192];
        while (const std::size_t n = read(block, sizeof block)) {
            if (n > limit - all.size())
                throw std::length_error("the request's body is longer than " + std::to_string(limit) + " bytes");
            all.append(block, n);
        }
        return all;
    }

    // Adds to a counter of the extension's own, which operators find among the metrics of the server as
    // isapid_ext_<name>_total. Labels are pairs of name and value, 4 at most:
    //
    //     request.count("orders", 1, {{"country", "de"}});
    //
    // false: it was not counted. Servers but isapid have no such counters.
    bool count(const std::string &name, double delta = 1,
               std::initializer_list<std::pair<const char *, std::string>> labels = {}) const noexcept {
        const char *texts[8] = {nullptr};
        HSE_COUNTER_INFO info = {delta, name.c_str(), texts, 0, 0};
        if (labels.size() > 4)
            return false;
        for (const std::pair<const char *, std::string> &label : labels) {
            texts[2 * info.cLabels] = label.first;
            texts[2 * info.cLabels + 1] = label.second.c_str();
            info.cLabels++;
        }
        return ecb_->ServerSupportFunction(ecb_->ConnID, HSE_REQ_COUNTER, &info, nullptr, nullptr) != FALSE;
    }

private:
    EXTENSION_CONTROL_BLOCK *ecb_;
    DWORD taken_; // of the read-ahead
};

// Response is what the client gets. It is held back until it is complete or longer than 64 KiB, so that a short one gets
// a Content-Length, and so that a handler that throws halfway leaves nothing behind.
class Response {
public:
    explicit Response(EXTENSION_CONTROL_BLOCK *ecb) : ecb_(ecb), status_("200 OK"), started_(false), sized_(false) {}
    Response(const Response &) = delete;
    Response &operator=(const Response &) = delete;

    // Status and headers may be set until the response has started.
    void status(int code, const std::string &reason) {
        status_ = clean(std::to_string(code) + " " + reason);
        ecb_->dwHttpStatusCode = static_cast<DWORD>(code);
    }

    void header(const std::string &name, const std::string &value) {
        if (started_)
            throw std::logic_error("header " + name + " comes after the response has started");
        headers_ += clean(name) + ": " + clean(value) + "\r\n";
        sized_ = sized_ || lower(name) == "content-length" || lower(name) == "transfer-encoding";
    }

    void write(const char *data, std::size_t size) {
        body_.append(data, size);
        if (body_.size() > 64u << 10)
            flush();
    }
    void write(const std::string &text) { write(text.data(), text.size()); }

    // Sends what is held back; later writes go out in pieces of up to 64 KiB.
    void flush() {
        if (!started_)
            start(sized_);
        send(body_.data(), body_.size());
        body_.clear();
    }

    // Answers 302 instead of what was written.
    void redirect(const std::string &url) {
        status(302, "Found");
        header("Location", url);
        body_.clear();
    }

    // Sends a file behind what was written. Throws Error when it cannot be opened: ERROR_FILE_NOT_FOUND and so on.
    void transmit_file(const std::string &path) {
        const File file(path);
        if (!started_) {
            if (!sized_)
                header("Content-Length", std::to_string(file.size() + body_.size()));
            start(true);
        }
        flush();
        if (file.size() == 0)
            return;
        HSE_VECTOR_ELEMENT element = {HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE, file.handle(), 0, file.size()};
        HSE_RESPONSE_VECTOR vector = {HSE_IO_SYNC, nullptr, nullptr, 1, &element};
        request(HSE_REQ_VECTOR_SEND, "VECTOR_SEND", &vector);
    }

    // Sends the rest. The macro calls it when the handler has returned.
    void finish() {
        if (!started_) {
            if (!sized_)
                header("Content-Length", std::to_string(body_.size()));
            start(true);
        }
        flush();
    }

    // Ends the response because of an exception.
    DWORD fail(const char *why) noexcept {
        ecb_->dwHttpStatusCode = 500;
        std::strncpy(ecb_->lpszLogData, why, HSE_LOG_BUFFER_LEN - 1);
        ecb_->lpszLogData[HSE_LOG_BUFFER_LEN - 1] = '\0';
        if (started_) // half a response must not look like a whole one
            ecb_->ServerSupportFunction(ecb_->ConnID, HSE_REQ_CLOSE_CONNECTION, nullptr, nullptr, nullptr);
        return HSE_STATUS_ERROR;
    }

private:
    class File {
    public:
        explicit File(const std::string &path)
            : handle_(CreateFileA(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                  FILE_FLAG_SEQUENTIAL_SCAN, nullptr)) {
            if (handle_ == INVALID_HANDLE_VALUE)
                throw Error("open \"" + path + "\"", GetLastError());
        }
        ~File() { CloseHandle(handle_); }
        File(const File &) = delete;
        File &operator=(const File &) = delete;
        HANDLE handle() const noexcept { return handle_; }
        ULONGLONG size() const {
            LARGE_INTEGER size;
            size.QuadPart = 0;
            if (!GetFileSizeEx(handle_, &size))
                throw Error("GetFileSizeEx", GetLastError());
            return static_cast<ULONGLONG>(size.QuadPart);
        }

    private:
        HANDLE handle_;
    };

    void start(bool keep) {
        const std::string block = headers_ + "\r\n";
        HSE_SEND_HEADER_EX_INFO info = {status_.c_str(), block.c_str(), static_cast<DWORD>(status_.size()),
                                        static_cast<DWORD>(block.size()), keep ? TRUE : FALSE};
        request(HSE_REQ_SEND_RESPONSE_HEADER_EX, "SEND_RESPONSE_HEADER_EX", &info);
        started_ = true;
    }

    void send(const char *data, std::size_t size) {
        while (size > 0) {
            DWORD n = static_cast<DWORD>(std::min<std::size_t>(size, 1u << 30));
            const DWORD asked = n;
            if (!ecb_->WriteClient(ecb_->ConnID, const_cast<char *>(data), &n, HSE_IO_SYNC))
                throw Error("WriteClient", GetLastError());
            data += asked;
            size -= asked;
        }
    }

    void request(DWORD code, const char *name, void *argument) {
        if (!ecb_->ServerSupportFunction(ecb_->ConnID, code, argument, nullptr, nullptr))
            throw Error(name, GetLastError());
    }

    // A line break in a header would end it and begin another of somebody else's choice.
    static std::string clean(const std::string &text) {
        if (text.find_first_of(std::string("\r\n\0", 3)) != std::string::npos)
            throw std::invalid_argument("a status or header holds a line break");
        return text;
    }

    static std::string lower(std::string text) {
        for (char &c : text)
            c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return text;
    }

    EXTENSION_CONTROL_BLOCK *ecb_;
    std::string status_, headers_, body_;
    bool started_; // the headers are on their way
    bool sized_;   // the handler says how the body ends
};

typedef void (*Handler)(Request &, Response &);

// run answers one request. No exception leaves it.
inline DWORD run(EXTENSION_CONTROL_BLOCK *ecb, Handler handler) noexcept {
    try {
        Request request(ecb);
        Response response(ecb);
        try {
            handler(request, response);
            response.finish();
            return HSE_STATUS_SUCCESS;
        } catch (const std::exception &e) {
            return response.fail(e.what());
        } catch (...) {
            return response.fail("unknown exception");
        }
    } catch (...) { // no memory for a few strings
        return HSE_STATUS_ERROR;
    }
}

inline BOOL describe(HSE_VERSION_INFO *info, const char *description) noexcept {
    info->dwExtensionVersion = HSE_VERSION;
    std::strncpy(info->lpszExtensionDesc, description, HSE_MAX_EXT_DLL_NAME_LEN - 1);
    info->lpszExtensionDesc[HSE_MAX_EXT_DLL_NAME_LEN - 1] = '\0';
    return TRUE;
}

} // namespace isapi

#ifdef _MSC_VER
#define ISAPI_EXPORT_NAMES                                        \
    __pragma(comment(linker, "/EXPORT:GetExtensionVersion"))      \
    __pragma(comment(linker, "/EXPORT:HttpExtensionProc"))        \
    __pragma(comment(linker, "/EXPORT:TerminateExtension"))
#else
#define ISAPI_EXPORT_NAMES
#endif

// ISAPI_EXTENSION makes the library an extension: once per library, with a handler and a description for the server's log.
#define ISAPI_EXTENSION(handler, description)                                                                \
    ISAPI_EXPORT_NAMES                                                                                       \
    extern "C" BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info) {                                     \
        return isapi::describe(info, description);                                                           \
    }                                                                                                        \
    extern "C" DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {                                \
        return isapi::run(ecb, handler);                                                                     \
    }                                                                                                        \
    extern "C" BOOL WINAPI TerminateExtension(DWORD) {                                                       \
        return TRUE;                                                                                         \
    }

#endif
