/* dying LOCK MS [SILENT_MS]: own a store and be dead but for one thread, as an engine is that was killed while it synced: the main
 * thread is gone, the lock and a listening socket are held for MS milliseconds more. Says `owned` once it is so. The main
 * thread goes after SILENT_MS, 0 by default; nobody is ever answered. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int left_ms;

static void sleep_ms(int ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0)
        ;
}

static void *linger(void *user)
{
    (void)user;
    sleep_ms(left_ms);
    _exit(0);
}

static int own(const char *lock)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = open(lock, O_RDWR | O_CREAT, 0600), sock = socket(AF_UNIX, SOCK_STREAM, 0);
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s.sock", lock) >= (int)sizeof address.sun_path) return -1;
    (void)unlink(address.sun_path);
    if (fd < 0 || sock < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || ftruncate(fd, 0) != 0) return -1;
    if (bind(sock, (struct sockaddr *)&address, sizeof address) != 0 || listen(sock, 8) != 0) return -1;
    return dprintf(fd, "{\"v\":1,\"pid\":%d,\"since_ms\":1,\"boot_id\":\"\",\"command\":\"dying\",\"socket\":\"%s\"}\n", (int)getpid(),
                   address.sun_path);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc < 3 || own(argv[1]) < 0) return 1;
    left_ms = atoi(argv[2]);
    if (pthread_create(&thread, NULL, linger, NULL) != 0) return 1;
    puts("owned");
    fflush(stdout);
    sleep_ms(argc > 3 ? atoi(argv[3]) : 0);
    pthread_exit(NULL);
}
