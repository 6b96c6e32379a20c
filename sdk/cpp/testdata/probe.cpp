// One path for each thing isapi.hpp does.
#include <isapi.hpp>

static void probe(isapi::Request &request, isapi::Response &response) {
    const std::string path = request.path_info();
    if (path == "/big") { // longer than what is held back
        for (int i = 0; i < 1000; i++)
            response.write(std::string(1000, static_cast<char>('a' + i % 26)));
    } else if (path == "/sized") {
        response.header("content-length", "100000");
        response.write(std::string(70000, 'x'));
        response.write(std::string(30000, 'y'));
    } else if (path == "/file") {
        response.write("before ");
        response.transmit_file(request.variable("APPL_PHYSICAL_PATH") + "/" + request.query());
    } else if (path == "/late") { // an exception after the response has started
        response.write(std::string(100000, 'x'));
        throw 42;
    } else if (path == "/early") { // and before
        response.status(200, "OK");
        response.write("never seen");
        throw 42;
    } else if (path == "/inject") {
        response.header("X-Query", "a\r\nSet-Cookie: b");
    } else if (path == "/toolate") {
        response.flush();
        response.header("X-Late", "yes");
    } else if (path == "/status") {
        response.status(418, "I am a teapot");
    } else if (path == "/variable") {
        std::string value = "untouched";
        const bool found = request.variable(request.query(), value);
        response.write(std::string(found ? "yes " : "no ") + value);
    } else if (path == "/header") {
        response.write(request.header("X-Long-One", "none"));
    } else if (path == "/count") {
        const bool ok = request.count("orders") && request.count("sold", 2.5, {{"to", "caf\xc3\xa9"}, {"by", request.query()}});
        const bool bad = request.count("Bad") || request.count("many", 1, {{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}, {"e", ""}});
        response.write(std::string(ok ? "counted" : "not counted") + (bad ? ", and what is bad" : ""));
    } else if (path == "/echo") {
        response.write(request.body(1 << 22));
    }
}

ISAPI_EXTENSION(probe, "probe")
