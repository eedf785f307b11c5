/* A load generator: load MODE PORT CONNECTIONS SECONDS; epoll, one thread, 127.0.0.1.
 *
 * handshakes  opens, waits for the 101 and closes, CONNECTIONS at a time
 * echo        64-byte messages, one under way on each connection
 * bulk        half of the connections send 64 KiB writes, half receive them
 * latency     2,000 messages a second over all connections, whatever comes back
 * hold        nothing: the connections stay open until told to go
 *
 * Says "ready" when its connections stand, begins at a line on its standard input, and
 * ends with one line: operations, seconds, errors, and microseconds at p50 and p99.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, CHUNK = 65536, MESSAGE = 64, HEAD = 1024, MOST_SAMPLES = 1 << 20 };
enum { RATE = 2000 };

struct connection {
    int fd;
    int have;       /* bytes of a head or a message that came so far */
    int is_source;  /* the origin floods it */
    uint64_t number; /* of the message under way */
    char part[HEAD];
};

static const char REQUEST[] =
    "GET /%s HTTP/1.1\r\n"
    "Host: bench.test\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
    "Origin: http://bench.test\r\n"
    "Accept-Language: en\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static struct sockaddr_in target;
static struct connection *all;
static char chunk[CHUNK];
static int loop, count;
static uint64_t operations, errors;
static uint32_t samples[MOST_SAMPLES]; /* nanoseconds */
static size_t sampled;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void begin_handshake(struct connection *one, const char *path)
{
    char request[HEAD];
    int yes = 1, length = snprintf(request, sizeof request, REQUEST, path);
    one->have = 0;
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (one->fd < 0 || connect(one->fd, (struct sockaddr *)&target, sizeof target) < 0)
        fail("connect");
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (send(one->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        fail("request");
}

static void watch(struct connection *one, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = one};
    fcntl(one->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(loop, EPOLL_CTL_ADD, one->fd, &event) < 0)
        fail("epoll_ctl");
}

/* 1 when the whole head is there and is a 101, 0 when more must come, -1 when it is not. */
static int continue_handshake(struct connection *one)
{
    ssize_t got = recv(one->fd, one->part + one->have, (size_t)(HEAD - 1 - one->have), 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 0 : -1;
    one->have += (int)got;
    one->part[one->have] = 0;
    if (strstr(one->part, "\r\n\r\n") == NULL)
        return one->have < HEAD - 1 ? 0 : -1;
    return strncmp(one->part, "HTTP/1.1 101", 12) == 0 ? 1 : -1;
}

static void open_all(const char *path)
{
    for (int index = 0; index < count; index++) {
        struct connection *one = &all[index];
        int progress;
        one->is_source = index % 2 == 0;
        begin_handshake(one, path ? path : one->is_source ? "source" : "sink");
        while ((progress = continue_handshake(one)) == 0)
            ;
        if (progress < 0) {
            fprintf(stderr, "refused: %s\n", one->part);
            exit(1);
        }
        one->have = 0;
    }
}

static void wait_for_word(void)
{
    char line[16];
    printf("ready\n");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(1);
}

static void handshakes(struct connection *one, unsigned events)
{
    int progress = continue_handshake(one);
    (void)events;
    if (progress == 0)
        return;
    operations += progress > 0;
    errors += progress < 0;
    close(one->fd);
    begin_handshake(one, "echo");
    watch(one, EPOLLIN);
}

static void send_message(struct connection *one)
{
    uint64_t words[MESSAGE / 8] = {++one->number, now_ns()};
    if (send(one->fd, words, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
        errors++;
}

/* Take what came; gives how many messages are whole, and samples their time. */
static int receive_messages(struct connection *one)
{
    uint64_t words[MESSAGE / 8], now = 0;
    int whole = 0;
    ssize_t got = recv(one->fd, one->part + one->have, (size_t)(HEAD - one->have), 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            errors++;
            epoll_ctl(loop, EPOLL_CTL_DEL, one->fd, NULL);
        }
        return 0;
    }
    one->have += (int)got;
    for (; one->have - whole * MESSAGE >= MESSAGE; whole++) {
        memcpy(words, one->part + whole * MESSAGE, MESSAGE);
        now = now ? now : now_ns();
        errors += words[0] == 0 || words[0] > one->number;
        if (sampled < MOST_SAMPLES)
            samples[sampled++] = (uint32_t)(now - words[1]);
    }
    one->have -= whole * MESSAGE;
    memmove(one->part, one->part + whole * MESSAGE, (size_t)one->have);
    return whole;
}

static void echo(struct connection *one, unsigned events)
{
    int whole = receive_messages(one);
    (void)events;
    operations += (uint64_t)whole;
    while (whole-- > 0)
        send_message(one);
}

static void latency(struct connection *one, unsigned events)
{
    static int turn;
    uint64_t due;
    (void)events;
    if (one != NULL) {
        operations += (uint64_t)receive_messages(one);
    } else if (read(all[count].fd, &due, sizeof due) == sizeof due) {
        for (; due > 0; due--)
            send_message(&all[turn++ % count]);
    }
}

static void bulk(struct connection *one, unsigned events)
{
    ssize_t moved = one->is_source ? recv(one->fd, NULL, 1 << 20, MSG_TRUNC)
                                   : send(one->fd, chunk, CHUNK, MSG_NOSIGNAL);
    (void)events;
    if (moved > 0) {
        operations += (uint64_t)moved;
    } else if (moved == 0 || errno != EAGAIN) {
        errors++;
        epoll_ctl(loop, EPOLL_CTL_DEL, one->fd, NULL);
    }
}

static void start_clock(void)
{
    struct itimerspec every = {{0, 1000000000 / RATE}, {0, 1000000000 / RATE}};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    all[count].fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(all[count].fd, 0, &every, NULL);
    epoll_ctl(loop, EPOLL_CTL_ADD, all[count].fd, &event);
}

static double run(void (*serve)(struct connection *, unsigned), double seconds)
{
    struct epoll_event events[EVENTS];
    uint64_t began = now_ns(), until = began + (uint64_t)(seconds * 1e9);
    while (now_ns() < until) {
        int ready = epoll_wait(loop, events, EVENTS, 100);
        for (int index = 0; index < ready; index++)
            serve(events[index].data.ptr, events[index].events);
    }
    return (double)(now_ns() - began) / 1e9;
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static double microseconds_at(double part)
{
    return sampled ? samples[(size_t)((double)(sampled - 1) * part)] / 1e3 : 0.0;
}

int main(int arguments, char **given)
{
    double spent = 0;
    if (arguments != 5)
        return 2;
    const char *mode = given[1];
    int is_bulk = strcmp(mode, "bulk") == 0, is_paced = strcmp(mode, "latency") == 0;
    int opens = strcmp(mode, "handshakes") == 0, holds = strcmp(mode, "hold") == 0;
    target.sin_family = AF_INET;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons((uint16_t)atoi(given[2]));
    count = atoi(given[3]);
    all = calloc((size_t)count + 1, sizeof *all);
    loop = epoll_create1(0);
    signal(SIGPIPE, SIG_IGN);
    if (!opens)
        open_all(is_bulk ? NULL : "echo");
    wait_for_word();
    for (int index = 0; index < count && !holds; index++) {
        struct connection *one = &all[index];
        if (opens)
            begin_handshake(one, "echo");
        watch(one, is_bulk && !one->is_source ? EPOLLOUT : EPOLLIN);
        if (!opens && !is_bulk && !is_paced)
            send_message(one);
    }
    if (is_paced)
        start_clock();
    if (!holds)
        spent = run(opens ? handshakes : is_bulk ? bulk : is_paced ? latency : echo, atof(given[4]));
    qsort(samples, sampled, sizeof *samples, by_size);
    printf("%llu %.6f %llu %.1f %.1f\n", (unsigned long long)operations, spent,
           (unsigned long long)errors, microseconds_at(0.5), microseconds_at(0.99));
    return 0;
}
