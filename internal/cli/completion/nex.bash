# Completion of nex for bash.
_nex() {
    local IFS=$'\n'
    COMPREPLY=($(COMP_LINE="${COMP_LINE:0:COMP_POINT}" @NEX@))
    # Where = ends a word, only what follows it is completed.
    if [[ $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#--*=}")
    fi
}
complete -o default -F _nex nex
