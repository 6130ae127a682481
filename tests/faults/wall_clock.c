/* A wall clock that a test sets, for processes that are started with this in LD_PRELOAD: it is
   ahead of the machine's by as many seconds as the file $WALL_CLOCK holds, in a long. Who waits
   for a moment of the wall clock waits longer or shorter when it is set, as on a real machine. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long not_ahead = 0;
static const volatile long *ahead = &not_ahead;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("WALL_CLOCK"), O_RDONLY | O_CLOEXEC);
    void *content = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (content == MAP_FAILED)
        abort();
    ahead = content;
    close(file);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int status = syscall(SYS_clock_gettime, id, now);
    if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        now->tv_sec += *ahead;
    return status;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}

int sem_timedwait(sem_t *semaphore, const struct timespec *end) {
    const struct timespec a_moment = {0, 1000000};
    struct timespec now;
    while (sem_trywait(semaphore) != 0) {
        if (errno != EAGAIN)
            return -1;
        clock_gettime(CLOCK_REALTIME, &now);
        if (now.tv_sec > end->tv_sec ||
            (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec)) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (nanosleep(&a_moment, NULL) != 0)
            return -1;
    }
    return 0;
}
