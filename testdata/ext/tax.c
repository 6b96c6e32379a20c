/* A library that is no extension, for others to need. */
const char *tax(void) {
    return "19%";
}
