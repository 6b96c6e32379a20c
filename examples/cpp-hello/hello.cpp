// cpp-hello: a greeting in modern C++. GET says hello, POST echoes the name it was sent; /boom throws.
//
//     isapid run hello.cpp      then open http://localhost:8080/
//
#include <isapi.hpp>

namespace {

// escape makes text safe to stand in a page.
std::string escape(const std::string &text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '&': out += "&amp;"; break;
        case '"': out += "&quot;"; break;
        default: out += c;
        }
    }
    return out;
}

void hello(isapi::Request &request, isapi::Response &response) {
    if (request.path_info() == "/boom")
        throw std::runtime_error("somebody asked for it");
    if (request.path_info() == "/home")
        return response.redirect("/");

    std::string name = request.variable("REMOTE_ADDR", "stranger");
    if (request.method() == "POST")
        name = request.body(1000);
    response.header("Content-Type", "text/html; charset=utf-8");
    response.write("<!doctype html>\n<title>Hello</title>\n<h1>Hello, " + escape(name) + "</h1>\n");
    response.write("<p>You came with " + escape(request.header("User-Agent", "no browser at all")) + ".</p>\n");
}

} // namespace

ISAPI_EXTENSION(hello, "cpp-hello: a greeting in modern C++")
