/* npm run NAME: make the file out/NAME. What turbo starts for a task instead of npm, which takes half a second to start a script: turbo is
 * measured, not npm. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[256];
    if (argc < 3) return 2;
    (void)snprintf(path, sizeof path, "out/%s", argv[2]);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    return fd >= 0 && close(fd) == 0 ? 0 : 1;
}
