/* A PKCS#11 module that hands everything to a real one (FAULTY_MODULE), except for the fault whose name stands in the file
 * FAULTY_FILE at the time of the call. It knows only where in the list of functions those are that it changes. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long word;
struct functions { unsigned char version[2]; void *call[68]; };
enum { GET_TOKEN_INFO = 6, LOGIN = 18, SIGN_INIT = 42, SIGN = 43 };
enum { DEVICE_REMOVED = 0x32, PIN_INCORRECT = 0xA0, PIN_LOCKED = 0xA4, TOKEN_NOT_PRESENT = 0xE0 };

static struct functions *real, faulty;

static int fault(const char *name) {
    char text[32] = "";
    FILE *file = fopen(getenv("FAULTY_FILE"), "r");
    if (file) {
        if (!fgets(text, sizeof text, file)) text[0] = 0;
        fclose(file);
    }
    return strcmp(text, name) == 0;
}

static word token_info(word slot, void *info) {
    if (fault("removed")) return TOKEN_NOT_PRESENT;
    return ((word (*)(word, void *))real->call[GET_TOKEN_INFO])(slot, info);
}

static word login(word session, word user, void *pin, word length) {
    FILE *file = fopen(getenv("FAULTY_LOGINS"), "a");
    if (file) { fputs("login\n", file); fclose(file); }
    if (fault("locked")) return PIN_LOCKED;
    if (fault("pin")) return PIN_INCORRECT;
    return ((word (*)(word, word, void *, word))real->call[LOGIN])(session, user, pin, length);
}

static word sign_init(word session, void *mechanism, word key) {
    if (fault("removed") || fault("locked") || fault("pin")) return DEVICE_REMOVED;
    return ((word (*)(word, void *, word))real->call[SIGN_INIT])(session, mechanism, key);
}

static word sign(word session, void *data, word length, unsigned char *signature, word *size) {
    word value = ((word (*)(word, void *, word, void *, word *))real->call[SIGN])(session, data, length, signature, size);
    if (value == 0 && signature && fault("lies")) signature[*size - 1] ^= 1;
    return value;
}

word C_GetFunctionList(struct functions **list) {
    if (!real) {
        void *module = dlopen(getenv("FAULTY_MODULE"), RTLD_NOW);
        word (*get)(struct functions **) = (word (*)(struct functions **))dlsym(module, "C_GetFunctionList");
        get(&real);
        faulty = *real;
        faulty.call[GET_TOKEN_INFO] = token_info;
        faulty.call[LOGIN] = login;
        faulty.call[SIGN_INIT] = sign_init;
        faulty.call[SIGN] = sign;
    }
    *list = &faulty;
    return 0;
}
