// One path for each thing isapi_filter.hpp does; the library is an extension too.
#include <isapi_filter.hpp>

struct Count : isapi::Session {
    Count() : requests(0) {}
    int requests;
};

class Probe : public isapi::Filter {
    DWORD preproc_headers(isapi::Context &context, isapi::Headers &headers) override {
        const std::string url = headers.get("url");
        context.session<Count>().requests++;
        if (url == "/headers") {
            std::string value = "untouched";
            const bool found = headers.get("X-None", value);
            headers.set("url", "/new?" + headers.get("User-Agent"));
            headers.set("X-Long:", headers.get("X-Long"));
            headers.remove("X-Gone");
            headers.add("X-Found", (found ? "yes " : "no ") + value);
        } else if (url == "/answer") {
            return context.respond("200 OK", "X-Secure: " + std::string(context.secure() ? "yes" : "no") + "\r\n",
                                   context.variable("SERVER_NAME") + context.variable("NONE", " without"));
        } else if (url == "/add") {
            context.response_header("X-Count", std::to_string(context.session<Count>().requests));
            context.header_on_denial("X-Denied", "yes");
            context.disable(SF_NOTIFY_LOG | SF_NOTIFY_URL_MAP);
        } else if (url == "/code") {
            throw isapi::Error("this", ERROR_ACCESS_DENIED);
        } else if (url == "/memory") {
            context.alloc(1);
        } else if (url == "/throw") {
            throw 42;
        }
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }

    DWORD url_map(isapi::Context &, HTTP_FILTER_URL_MAP &map) override {
        isapi::put(map.pszPhysicalPath, map.cbPathBuff, std::string(map.pszPhysicalPath) + map.pszURL);
        return SF_STATUS_REQ_HANDLED_NOTIFICATION;
    }

    DWORD authentication(isapi::Context &, HTTP_FILTER_AUTHENT &who) override {
        isapi::put(who.pszUser, who.cbUserBuff, std::string("mapped ") + who.pszPassword);
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }

    DWORD auth_complete(isapi::Context &, isapi::Headers &headers, HTTP_FILTER_AUTH_COMPLETE_INFO &info) override {
        headers.set("url", "/complete");
        info.fResetAuth = TRUE;
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }

    DWORD send_response(isapi::Context &, isapi::Headers &headers) override {
        headers.set("status", "204 Nothing");
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }

    DWORD log(isapi::Context &context, HTTP_FILTER_LOG &log) override {
        log.pszTarget = context.copy(std::string(log.pszTarget) + " logged");
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    }
};

ISAPI_FILTER(Probe, "probe", SF_NOTIFY_ORDER_HIGH | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP | SF_NOTIFY_AUTHENTICATION |
                                 SF_NOTIFY_AUTH_COMPLETE | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_LOG | SF_NOTIFY_END_OF_REQUEST)

static void also(isapi::Request &, isapi::Response &response) { response.write("an extension"); }

ISAPI_EXTENSION(also, "probe")
