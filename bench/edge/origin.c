/* An origin that upgrades and then echoes (or floods, or swallows): epoll, one thread.
 *
 * The path chooses what comes after the 101: /source sends 64 KiB writes without end,
 * /sink throws away all it gets, anything else echoes. Prints its port and serves until
 * it is killed. What passes in the tunnel is not framed: no engine here looks into it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, CHUNK = 65536, HEAD = 4096, PAUSE_MS = 5000 };
enum state { READS_HEAD, ECHOES, FLOODS, SWALLOWS };

struct connection {
    int fd;
    enum state state;
    int length;
    char *head;
};

/* The answer that goes with the load generator's fixed key (RFC 6455, 1.3). */
static const char ANSWER[] =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static char chunk[CHUNK];
static int loop;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void end(struct connection *one)
{
    close(one->fd);
    free(one->head);
    free(one);
}

static void watch(struct connection *one, int operation, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = one};
    if (epoll_ctl(loop, operation, one->fd, &event) < 0)
        fail("epoll_ctl");
}

/* Write all; waits for a peer that is behind, which small messages never are. */
static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = send(fd, data, length, MSG_NOSIGNAL);
        if (written > 0) {
            data += written;
            length -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd one = {.fd = fd, .events = POLLOUT};
            if (poll(&one, 1, PAUSE_MS) <= 0)
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

static int read_head(struct connection *one)
{
    ssize_t got = recv(one->fd, one->head + one->length, (size_t)(HEAD - 1 - one->length), 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 0 : -1;
    one->length += (int)got;
    one->head[one->length] = 0;
    char *mark = strstr(one->head, "\r\n\r\n");
    if (mark == NULL)
        return one->length < HEAD - 1 ? 0 : -1;
    int rest = one->length - (int)(mark + 4 - one->head);
    one->state = ECHOES;
    if (strncmp(one->head, "GET /source", 11) == 0)
        one->state = FLOODS;
    else if (strncmp(one->head, "GET /sink", 9) == 0)
        one->state = SWALLOWS;
    if (write_all(one->fd, ANSWER, sizeof ANSWER - 1) < 0)
        return -1;
    if (one->state == ECHOES && rest > 0 && write_all(one->fd, mark + 4, (size_t)rest) < 0)
        return -1;
    if (one->state == FLOODS)
        watch(one, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    free(one->head);
    one->head = NULL;
    return 0;
}

static int serve(struct connection *one, unsigned events)
{
    if (one->state == READS_HEAD)
        return read_head(one);
    if (one->state == FLOODS && (events & EPOLLOUT)) {
        ssize_t sent = send(one->fd, chunk, CHUNK, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return -1;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return 0;
    /* With MSG_TRUNC, TCP throws the bytes away without copying them. */
    int flags = one->state == SWALLOWS ? MSG_TRUNC : 0;
    ssize_t got = recv(one->fd, flags ? NULL : chunk, flags ? 1 << 20 : CHUNK, flags);
    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 0 : -1;
    return one->state == ECHOES ? write_all(one->fd, chunk, (size_t)got) : 0;
}

static void take_connections(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *one = calloc(1, sizeof *one);
        if (one == NULL || (one->head = malloc(HEAD)) == NULL)
            fail("memory");
        one->fd = fd;
        watch(one, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t size = sizeof here;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 4096) < 0)
        fail("listen");
    getsockname(listener, (struct sockaddr *)&here, &size);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    loop = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(loop, events, EVENTS, -1);
        for (int index = 0; index < count; index++) {
            struct connection *one = events[index].data.ptr;
            if (one == NULL)
                take_connections(listener);
            else if (serve(one, events[index].events) < 0)
                end(one);
        }
    }
}
