/* Asks for the client's socket and tells the port it is connected to, or the error. */
#include "fixture.h"
#ifndef _WIN32 /* nothing is to be had there */
#include <arpa/inet.h>
#include <sys/socket.h>
#endif

FIXTURE("descriptor")

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    int fd = -1;
    unsigned err = outcome(e->ServerSupportFunction(e->ConnID, HSE_REQ_GET_FILE_DESCRIPTOR, &fd, NULL, NULL));
    if (err) {
        sayf(e, "%u", err);
    } else {
#ifndef _WIN32
        struct sockaddr_in peer = {0};
        socklen_t n = sizeof peer;
        getpeername(fd, (struct sockaddr *)&peer, &n);
        sayf(e, "0 %u", ntohs(peer.sin_port));
#endif
    }
    return HSE_STATUS_SUCCESS;
}
