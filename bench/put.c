/* put FILE SIZE: make or replace FILE with SIZE bytes that depend on its name. The work of a node in the benchmarks of the cache: as little
 * as a program can do that makes a file. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint64_t bytes[512], state = 1469598103934665603u;
    if (argc != 3) return 2;
    for (const char *at = argv[1]; *at; at++) state = (state ^ (unsigned char)*at) * 1099511628211u;
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return 1;
    for (size_t left = strtoul(argv[2], NULL, 10); left > 0;) {
        for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            bytes[i] = state;
        }
        size_t size = left < sizeof bytes ? left : sizeof bytes;
        if (write(fd, bytes, size) != (ssize_t)size) return 1;
        left -= size;
    }
    return close(fd) ? 1 : 0;
}
