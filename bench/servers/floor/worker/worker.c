/* The second process of floor without a runtime: it answers each request on descriptor 3 until the stream ends. */
#include <unistd.h>

int main(void) {
    static char request[4096], answer[200];
    while (read(3, request, sizeof request) > 0)
        if (write(3, answer, sizeof answer) < 0) break;
    return 0;
}
