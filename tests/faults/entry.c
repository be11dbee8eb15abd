/*
 * Entries: the copies of ops that go down, and how transfers are cut short.
 */
#include "tests/faults/faults.h"

#include "core/file_op.h"
#include "core/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

uint32_t fault_random(struct faults *faults, uint32_t limit)
{
    uint64_t x = faults->random_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((x ^ (x >> 31)) % limit);
}

/* The shim's memory is not the library's: it is not counted and does not fail by order. */
static void *resize(void *block, size_t size)
{
    void *grown = realloc(block, size);
    AIO__REQUIRE(grown != NULL, "the fault shim is out of memory");
    return grown;
}

void fault_entries_add(struct fault_entries *list, struct fault_entry *entry)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 64;
        list->items = resize(list->items, list->capacity * sizeof *list->items);
    }
    list->items[list->count++] = entry;
}

static bool is_stream_socket(int fd)
{
    int type = 0;
    socklen_t length = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

static bool is_of_any_file(const struct aio__op *op)
{
    return op->opcode == AIO__OP_READ || op->opcode == AIO__OP_WRITE ||
           op->opcode == AIO__OP_READV || op->opcode == AIO__OP_WRITEV ||
           op->opcode == AIO__OP_WRITE_SYNC;
}

/* An eventfd or a datagram is not a stream: cutting it short is an error or a loss. */
static bool may_be_cut(const struct aio__op *op)
{
    struct statx found;
    if (!is_of_any_file(op))
        return is_stream_socket(op->fd);
    if ((fcntl(op->fd, F_GETFL) & O_DIRECT) != 0)
        return false; /* what is left would not be aligned any more */
    return aio__file_look(op->fd, &found) == 0 &&
           (S_ISREG(found.stx_mode) || S_ISFIFO(found.stx_mode) || S_ISSOCK(found.stx_mode));
}

static size_t cut(struct faults *faults, const struct aio__op *op, size_t length)
{
    uint32_t dice = fault_random(faults, 8);
    if (length < 2 || dice > 1 || !may_be_cut(op))
        return length;
    return dice == 0 ? 1 : 1 + fault_random(faults, (uint32_t)(length < 65536 ? length : 65536));
}

static size_t vectors_bytes(const struct iovec *vectors, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += vectors[i].iov_len;
    return bytes;
}

/* The entry's own vectors: as many, of the first so many bytes. */
static void copy_vectors(struct faults *faults, struct fault_entry *entry,
                         const struct iovec *vectors, size_t count)
{
    size_t bytes = cut(faults, entry->outer, vectors_bytes(vectors, count));
    if (count > entry->vectors_capacity) {
        entry->vectors = resize(entry->vectors, count * sizeof *entry->vectors);
        entry->vectors_capacity = count;
    }
    for (size_t i = 0; i < count; i++) {
        struct iovec part = vectors[i];
        if (part.iov_len > bytes)
            part.iov_len = bytes;
        bytes -= part.iov_len;
        entry->vectors[i] = part;
    }
}

/* The entry's message: the same control data and name. */
static void copy_message(struct faults *faults, struct fault_entry *entry)
{
    const struct msghdr *header = entry->outer->message.header;
    copy_vectors(faults, entry, header->msg_iov, header->msg_iovlen);
    entry->header = *header;
    entry->header.msg_iov = entry->vectors;
    entry->op.message.header = &entry->header;
}

static void copy_vectored(struct faults *faults, struct fault_entry *entry)
{
    struct aio__op *op = &entry->op;
    copy_vectors(faults, entry, op->vectored.vectors, op->vectored.count);
    op->vectored.vectors = entry->vectors;
}

static void copy_and_cut(struct faults *faults, struct fault_entry *entry)
{
    struct aio__op *op = &entry->op;
    *op = *entry->outer;
    op->flags = op->flags & AIO__OP_ASKED;
    op->scratch = 0;
    op->link = NULL;
    op->complete = NULL; /* never taken off a list by anybody but the shim */
    op->backend_link = NULL;
    op->state = AIO__OP_IDLE;
    if (op->opcode == AIO__OP_RECV || op->opcode == AIO__OP_SEND || op->opcode == AIO__OP_SEND_ZC)
        op->transfer.length = cut(faults, op, op->transfer.length);
    else if (op->opcode == AIO__OP_READ || op->opcode == AIO__OP_WRITE)
        op->file.length = cut(faults, op, op->file.length);
    else if (op->opcode == AIO__OP_WRITE_SYNC)
        op->write_sync.length = (uint32_t)cut(faults, op, op->write_sync.length);
    else if (op->opcode == AIO__OP_READV || op->opcode == AIO__OP_WRITEV)
        copy_vectored(faults, entry);
    else if (op->opcode == AIO__OP_SPLICE_IN || op->opcode == AIO__OP_SPLICE_OUT)
        op->splice.length = cut(faults, op, op->splice.length);
    else if (op->opcode == AIO__OP_RECVMSG || op->opcode == AIO__OP_SENDMSG)
        copy_message(faults, entry);
}

static uint32_t *fd_counter(struct faults *faults, int fd)
{
    if ((size_t)fd >= faults->fd_capacity) {
        size_t capacity = ((size_t)fd + 64) * 2;
        faults->fd_entries = resize(faults->fd_entries, capacity * sizeof *faults->fd_entries);
        memset(faults->fd_entries + faults->fd_capacity, 0,
               (capacity - faults->fd_capacity) * sizeof *faults->fd_entries);
        faults->fd_capacity = capacity;
    }
    return &faults->fd_entries[fd];
}

struct fault_entry *fault_entry_open(struct faults *faults, struct aio__op *outer)
{
    struct fault_entry *entry = faults->free_entries;
    if (entry != NULL) {
        faults->free_entries = entry->next;
    } else {
        entry = resize(NULL, sizeof *entry);
        entry->vectors = NULL;
        entry->vectors_capacity = 0;
    }
    entry->outer = outer;
    entry->canceled = false;
    entry->cancel_waits = false;
    copy_and_cut(faults, entry);
    faults->live++;
    if (outer->fd >= 0)
        (*fd_counter(faults, outer->fd))++;
    return entry;
}

void fault_entry_restore(struct fault_entry *entry)
{
    if (entry->op.opcode == AIO__OP_WRITE_SYNC)
        entry->outer->write_sync.synced = entry->op.write_sync.synced;
    if (entry->op.opcode != AIO__OP_RECVMSG && entry->op.opcode != AIO__OP_SENDMSG)
        return;
    struct msghdr *header = entry->outer->message.header;
    header->msg_namelen = entry->header.msg_namelen;
    header->msg_controllen = entry->header.msg_controllen;
    header->msg_flags = entry->header.msg_flags;
}

/* An entry that a waiting cancel names stays until that has been looked at. */
void fault_entry_close(struct faults *faults, struct fault_entry *entry)
{
    if (entry->outer != NULL) {
        faults->live--;
        if (entry->op.fd >= 0)
            (*fd_counter(faults, entry->op.fd))--;
        entry->outer = NULL;
    }
    if (entry->cancel_waits)
        return;
    entry->next = faults->free_entries;
    faults->free_entries = entry;
}

void fault_entries_free(struct faults *faults)
{
    for (size_t i = 0; i < faults->cancels.count; i++) {
        faults->cancels.items[i]->cancel_waits = false;
        fault_entry_close(faults, faults->cancels.items[i]);
    }
    while (faults->free_entries != NULL) {
        struct fault_entry *entry = faults->free_entries;
        faults->free_entries = entry->next;
        free(entry->vectors);
        free(entry);
    }
    free(faults->held.items);
    free(faults->cancels.items);
    free(faults->due.items);
    free(faults->fd_entries);
}
