/* For LD_PRELOAD: the first random numbers of 4 bytes that a process draws are all 0, so that two runs of a second draw one id. */
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    static int calls;
    if (size != 4 || calls++ >= 3) return syscall(SYS_getrandom, buffer, size, flags);
    memset(buffer, 0, size);
    return (ssize_t)size;
}
