/* The app of the tests: one static program, a thread a connection, listening within a millisecond.
 *
 * web [serve | silent | wrong-port | loopback | slow-start | ignores-term | eats-memory | exits CODE]
 *
 * Every answer repeats the request's X-Request-Id. Paths:
 *   /           hello            /version     the environment's VERSION      /env?NAME     that variable
 *   /echo       the body         /slow?MS     waits (300 ms)                 /headers      the request's head
 *   /status?N   answers N        /exit?N      ends the process               /eat?MB       allocates
 *   /ws         WebSocket echo
 * LOG_IDS=1: a line "served METHOD ID" on standard output for each answer, so that both ends can count.
 * TERM: accepts nothing new, finishes what is in flight, ends with 0.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 65536, BODY_MAX = 64 << 20, STACK = 256 << 10 };

static atomic_int busy;       /* requests between their first byte and the last one of their answer */
static atomic_int closing;
static int listener = -1;
static int log_ids;

/* ---- a connection's buffered input ---- */

struct conn {
    int fd;
    size_t start, end;
    char in[HEAD_MAX];
};

static int fill(struct conn *c) {
    if (c->start > 0) {
        memmove(c->in, c->in + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    if (c->end == sizeof c->in) return -1;
    ssize_t n = read(c->fd, c->in + c->end, sizeof c->in - c->end);
    if (n <= 0) return -1;
    c->end += (size_t)n;
    return 0;
}

static int take(struct conn *c, char *to, size_t size) {
    while (size > 0) {
        if (c->start == c->end && fill(c) < 0) return -1;
        size_t n = c->end - c->start < size ? c->end - c->start : size;
        memcpy(to, c->in + c->start, n);
        c->start += n;
        to += n;
        size -= n;
    }
    return 0;
}

static int take_line(struct conn *c, char *to, size_t size) {
    for (size_t n = 0; n + 1 < size; n++) {
        if (take(c, to + n, 1) < 0) return -1;
        if (to[n] == '\n') {
            to[n] = 0;
            return 0;
        }
    }
    return -1;
}

static int put(int fd, const char *from, size_t size) {
    while (size > 0) {
        ssize_t n = send(fd, from, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        from += n;
        size -= (size_t)n;
    }
    return 0;
}

/* ---- a request ---- */

struct request {
    char method[16], path[2048], id[256], key[64];
    char head[HEAD_MAX];
    int keep, upgrade;
    char *body;
    size_t size;
};

static int header(const char *head, const char *name, char *value, size_t size) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        if (strncasecmp(at, name, length) != 0 || at[length] != ':') continue;
        at += length + 1;
        while (*at == ' ') at++;
        size_t n = strcspn(at, "\r\n");
        if (n >= size) n = size - 1;
        memcpy(value, at, n);
        value[n] = 0;
        return 1;
    }
    value[0] = 0;
    return 0;
}

static int take_chunked(struct conn *c, struct request *r) {
    char line[256];
    for (;;) {
        if (take_line(c, line, sizeof line) < 0) return -1;
        size_t n = strtoul(line, NULL, 16);
        if (n > BODY_MAX - r->size) return -1;
        char *grown = realloc(r->body, r->size + n + 1);
        if (!grown) return -1;
        r->body = grown;
        if (take(c, r->body + r->size, n) < 0 || take_line(c, line, sizeof line) < 0) return -1;
        r->size += n;
        if (n == 0) return 0;
    }
}

static int take_body(struct conn *c, struct request *r) {
    char value[64];
    int chunked = header(r->head, "Transfer-Encoding", value, sizeof value) && strcasestr(value, "chunked");
    size_t length = header(r->head, "Content-Length", value, sizeof value) ? strtoul(value, NULL, 10) : 0;
    if ((chunked || length) && header(r->head, "Expect", value, sizeof value))
        if (put(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) return -1;
    if (chunked) return take_chunked(c, r);
    if (length > BODY_MAX || !(r->body = malloc(length + 1))) return -1;
    r->size = length;
    return take(c, r->body, length);
}

static int take_head(struct conn *c, struct request *r) {
    char *end;
    while (!(end = c->end > c->start ? memmem(c->in + c->start, c->end - c->start, "\r\n\r\n", 4) : NULL))
        if (fill(c) < 0) return -1;
    size_t size = (size_t)(end - c->in) - c->start + 4;
    memcpy(r->head, c->in + c->start, size);
    r->head[size < HEAD_MAX ? size : HEAD_MAX - 1] = 0;
    c->start += size;
    r->body = NULL;
    r->size = 0;
    return 0;
}

static int take_rest(struct conn *c, struct request *r) {
    char value[64];
    if (sscanf(r->head, "%15s %2047s", r->method, r->path) != 2) return -1;
    header(r->head, "X-Request-Id", r->id, sizeof r->id);
    r->keep = strstr(r->head, "HTTP/1.1\r\n") && !(header(r->head, "Connection", value, sizeof value) && strcasestr(value, "close"));
    r->upgrade = header(r->head, "Sec-WebSocket-Key", r->key, sizeof r->key);
    return take_body(c, r);
}

/* ---- answers ---- */

static int answer(struct conn *c, struct request *r, int status, const char *body, size_t size) {
    char head[1024];
    if (log_ids && r->id[0]) {
        char line[320];
        int n = snprintf(line, sizeof line, "served %s %s\n", r->method, r->id);
        if (write(1, line, (size_t)n) < 0) return -1;
    }
    if (closing) r->keep = 0;
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d Status\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%s%sConnection: %s\r\n\r\n", status, size,
                     r->id[0] ? "X-Request-Id: " : "", r->id, r->id[0] ? "\r\n" : "", r->keep ? "keep-alive" : "close");
    if (strcmp(r->method, "HEAD") == 0) size = 0;
    /* One segment for what is small: the second write would wait for nothing, but costs a call. */
    if (size < sizeof head - (size_t)n) {
        memcpy(head + n, body, size);
        return put(c->fd, head, (size_t)n + size);
    }
    return put(c->fd, head, (size_t)n) < 0 ? -1 : put(c->fd, body, size);
}

static void eat(long megabytes) {
    for (long n = 0; n < megabytes; n++) {
        char *piece = malloc(1 << 20);
        if (!piece) return;
        for (size_t at = 0; at < 1 << 20; at += 4096) ((volatile char *)piece)[at] = 1;
    }
}

static int text(struct conn *c, struct request *r, const char *body) { return answer(c, r, 200, body, strlen(body)); }

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int serve(struct conn *c, struct request *r) {
    char *query = strchr(r->path, '?');
    const char *given = query ? query + 1 : "";
    if (query) *query = 0;
    if (strcmp(r->path, "/echo") == 0) return answer(c, r, 200, r->body, r->size);
    if (strcmp(r->path, "/version") == 0) return text(c, r, variable("VERSION"));
    if (strcmp(r->path, "/env") == 0) return text(c, r, variable(given));
    if (strcmp(r->path, "/headers") == 0) return text(c, r, r->head);
    if (strcmp(r->path, "/status") == 0) return answer(c, r, *given ? atoi(given) : 200, "", 0);
    if (strcmp(r->path, "/slow") == 0) usleep((useconds_t)(*given ? atoi(given) : 300) * 1000);
    if (strcmp(r->path, "/exit") == 0) _exit(atoi(given));
    if (strcmp(r->path, "/eat") == 0) eat(atol(given));
    return text(c, r, "hello\n");
}

/* ---- WebSocket ---- */

static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1(const unsigned char *text, size_t size, unsigned char out[20]) {
    unsigned char block[192] = {0};
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    size_t total = (size + 9 + 63) / 64 * 64;
    memcpy(block, text, size);
    block[size] = 0x80;
    for (int i = 0; i < 8; i++) block[total - 1 - (size_t)i] = (unsigned char)((uint64_t)size * 8 >> (8 * i));
    for (size_t at = 0; at < total; at += 64) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)block[at + 4 * i] << 24 | block[at + 4 * i + 1] << 16 | block[at + 4 * i + 2] << 8 | block[at + 4 * i + 3];
        for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint32_t t = rol(a, 5) + f + e + k + w[i];
            e = d, d = c, c = rol(b, 30), b = a, a = t;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char *in, size_t size, char *out) {
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t n = (uint32_t)in[i] << 16 | (i + 1 < size ? in[i + 1] << 8 : 0) | (i + 2 < size ? in[i + 2] : 0);
        *out++ = digits[n >> 18];
        *out++ = digits[n >> 12 & 63];
        *out++ = i + 1 < size ? digits[n >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[n & 63] : '=';
    }
    *out = 0;
}

static int frame(int fd, int first, const char *body, size_t size) {
    unsigned char head[10] = {(unsigned char)first};
    size_t n = 2;
    if (size < 126) {
        head[1] = (unsigned char)size;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++) head[9 - i] = (unsigned char)((uint64_t)size >> (8 * i));
        n = 10;
    }
    return put(fd, (char *)head, n) < 0 ? -1 : put(fd, body, size);
}

static int echo_frame(struct conn *c) {
    unsigned char head[2], longer[8] = {0}, mask[4];
    if (take(c, (char *)head, 2) < 0) return -1;
    uint64_t size = head[1] & 127;
    if (size >= 126) {
        size_t bytes = size == 126 ? 2 : 8;
        if (take(c, (char *)longer, bytes) < 0) return -1;
        size = 0;
        for (size_t i = 0; i < bytes; i++) size = size << 8 | longer[i];
    }
    char *body = size <= BODY_MAX ? malloc(size + 1) : NULL;
    if (!body) return -1;
    int opcode = head[0] & 15, ok = take(c, (char *)mask, 4) == 0 && take(c, body, size) == 0;
    for (uint64_t i = 0; ok && i < size; i++) body[i] ^= (char)mask[i % 4];
    int first = opcode == 9 ? (head[0] & 0xF0) | 10 : head[0]; /* a ping is answered by a pong, all else by itself */
    ok = ok && (opcode == 10 || frame(c->fd, first, body, size) == 0);
    free(body);
    return ok && opcode != 8 ? 0 : -1;
}

static void websocket(struct conn *c, struct request *r) {
    char joined[128], accept[64], head[256];
    unsigned char digest[20];
    int n = snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", r->key);
    sha1((unsigned char *)joined, (size_t)n, digest);
    base64(digest, sizeof digest, accept);
    n = snprintf(head, sizeof head,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    if (put(c->fd, head, (size_t)n) < 0) return;
    while (echo_frame(c) == 0) continue;
}

/* ---- the process ---- */

static void *connection(void *given) {
    struct conn *c = calloc(1, sizeof *c);
    struct request *r = malloc(sizeof *r);
    int on = 1, keep = c && r;
    if (c) {
        c->fd = (int)(intptr_t)given;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    while (keep) {
        if (take_head(c, r) < 0) break;
        atomic_fetch_add(&busy, 1);
        if (take_rest(c, r) < 0) {
            keep = 0;
            atomic_fetch_sub(&busy, 1);
        } else if (r->upgrade && strcmp(r->path, "/ws") == 0) {
            atomic_fetch_sub(&busy, 1);
            websocket(c, r);
            keep = 0;
        } else {
            keep = serve(c, r) == 0 && r->keep;
            atomic_fetch_sub(&busy, 1);
        }
        free(r->body);
    }
    close((int)(intptr_t)given);
    free(c);
    free(r);
    return NULL;
}

static void *ending(void *given) {
    sigset_t *set = given;
    int signal;
    sigwait(set, &signal);
    closing = 1;
    shutdown(listener, SHUT_RD);
    while (atomic_load(&busy) > 0) usleep(1000);
    _exit(0);
}

static int listen_on(const char *address, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = inet_addr(address)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1024) < 0) {
        perror("web: cannot listen");
        exit(1);
    }
    return fd;
}

static void run(const char *address, int port, int ignores_term) {
    static sigset_t set;
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    log_ids = *variable("LOG_IDS") == '1';
    listener = listen_on(address, port);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (!ignores_term) pthread_create(&thread, &attributes, ending, &set);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && closing) pause();
        if (fd >= 0 && pthread_create(&thread, &attributes, connection, (void *)(intptr_t)fd) != 0) close(fd);
    }
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "serve", *address = "0.0.0.0";
    int port = *variable("PORT") ? atoi(variable("PORT")) : 8080;
    if (strcmp(mode, "silent") == 0) for (;;) pause();
    if (strcmp(mode, "exits") == 0) {
        fputs("web: reading the settings\nweb: DATABASE_URL is not set\n", stderr);
        return argc > 2 ? atoi(argv[2]) : 3;
    }
    if (strcmp(mode, "eats-memory") == 0) eat(1024);
    if (strcmp(mode, "slow-start") == 0) sleep(2);
    if (strcmp(mode, "wrong-port") == 0) port = 9999;
    if (strcmp(mode, "loopback") == 0) address = "127.0.0.1";
    run(address, port, strcmp(mode, "ignores-term") == 0);
}
